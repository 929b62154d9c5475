//! The folders of the services: every operation of the document at least once, in an order in which each finds what it
//! needs. Most are called with the document's example as it stands.

use serde_json::json;

use super::step::{Step, Who, call, wait_for};

/// Somebody whose account the folder of identity tries things on.
const CLEO: Who = Who::Holder("cleoToken");

/// Each service's name, as the document's tag, and its requests.
pub fn services() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("identity", identity()),
        (
            "catalog",
            [products(), variants(), categories(), files(), last_things()]
                .into_iter()
                .flatten()
                .collect(),
        ),
        ("cart", cart()),
        ("orders", orders()),
        ("payments", payments()),
        ("events", events()),
        ("gateway", gateway()),
    ]
}

fn identity() -> Vec<Step> {
    let signs_in = |name| {
        call("postAuthLogin")
            .named(name)
            .field("/email", "cleo-{{run}}@example.com")
            .field("/password", "{{password}}")
            .sets("cleoToken", "body.token")
            .sets("cleoRefresh", "body.refreshToken")
    };
    vec![
        call("postAuthGuest").sets("guestToken", "body.token"),
        call("postAuthRegister")
            .field("/email", "cleo-{{run}}@example.com")
            .field("/password", "{{password}}")
            .field("/guestToken", "{{guestToken}}")
            .sets("cleoId", "body.user.id"),
        signs_in("Signs in"),
        signs_in("Signs in once more, on another device"),
        call("getAuthVerify").by(CLEO),
        call("getAuthProfile").by(CLEO),
        call("postAuthRefresh")
            .field("/refreshToken", "{{cleoRefresh}}")
            .sets("cleoToken", "body.token")
            .sets("cleoRefresh", "body.refreshToken"),
        call("getUsers").with("limit", "5"),
        call("getUsersId").by(CLEO).with("id", "{{cleoId}}"),
        call("putUsersId").by(CLEO).with("id", "{{cleoId}}"),
        call("patchUsersId")
            .by(CLEO)
            .with("id", "{{cleoId}}")
            .body(json!({ "firstName": "Cleo", "lastName": "Forge" })),
        call("getUsersIdSessions")
            .by(CLEO)
            .with("id", "{{cleoId}}")
            .sets("sessionId", "body.find(one => !one.current).id"),
        call("deleteUsersIdSessionsSession")
            .by(CLEO)
            .with("id", "{{cleoId}}")
            .with("session", "{{sessionId}}"),
        call("postUsersIdPassword")
            .by(CLEO)
            .with("id", "{{cleoId}}")
            .field("/currentPassword", "{{password}}"),
        call("postAuthPasswordForgot").field("/email", "cleo-{{run}}@example.com"),
        // The token comes by mail only.
        call("postAuthPasswordReset")
            .named("Sets a new password with a token that no mail brought")
            .refused(400, "reset_token_spent"),
        call("deleteUsersIdSessions").by(Who::Admin).with("id", "{{cleoId}}"),
        call("putUsersIdRole").with("id", "{{cleoId}}"),
        call("postAuthLogin")
            .named("Signs in as staff")
            .field("/email", "cleo-{{run}}@example.com")
            .field("/password", "correct horse battery staple")
            .sets("cleoToken", "body.token")
            .sets("cleoRefresh", "body.refreshToken"),
        call("postAuthLogout")
            .by(CLEO)
            .field("/refreshToken", "{{cleoRefresh}}"),
        call("postKeys").sets("keyId", "body.id"),
        call("getKeys"),
        call("deleteKeysId").with("id", "{{keyId}}"),
        call("getWellKnownJwksJson"),
    ]
}

fn products() -> Vec<Step> {
    vec![
        call("getProducts").with("limit", "5").with("sort", "-price"),
        call("getProductsSearch").with("q", "hamer").with("limit", "5"),
        call("getProductsFacets").with("search", "hammer"),
        call("getProductsTags"),
        call("postProducts")
            .field("/sku", "PEEN-16-{{run}}")
            .sets("newProductId", "body.id"),
        call("getProductsId").with("id", "{{newProductId}}"),
        call("patchProductsId").with("id", "{{newProductId}}"),
        call("getProductsIdStock")
            .with("id", "{{newProductId}}")
            .sets("stockTag", "pm.response.headers.get('ETag')"),
        call("putProductsIdStock")
            .named("Changes a product's stock by what came")
            .with("id", "{{newProductId}}"),
        call("putProductsIdStock")
            .named("Sets a product's stock to what was counted, as it was when it was read")
            .with("id", "{{newProductId}}")
            .header("If-Match", "{{stockTag}}")
            .body(json!({ "set": 50, "reason": "counted" }))
            .refused(412, "precondition_failed"),
        call("getProductsIdStockLedger").with("id", "{{newProductId}}"),
        call("putProductsId")
            .named("Gives a product something to choose")
            .with("id", "{{newProductId}}")
            .body(json!({
                "name": "Cross-peen hammer",
                "options": [{ "name": "Size", "values": ["16 oz", "20 oz"] }],
            })),
    ]
}

fn variants() -> Vec<Step> {
    let one = |operation| {
        call(operation)
            .with("id", "{{newProductId}}")
            .with("variantId", "{{variantId}}")
    };
    vec![
        call("postProductsIdVariants")
            .with("id", "{{newProductId}}")
            .field("/sku", "PEEN-20-{{run}}")
            .sets(
                "variantId",
                "(body.variants ? body.variants.find(one => one.options.Size === '20 oz') : body).id",
            ),
        call("getProductsIdVariants").with("id", "{{newProductId}}"),
        one("getProductsIdVariantsVariantId"),
        one("patchProductsIdVariantsVariantId"),
        one("putProductsIdVariantsVariantId").body(json!({ "weight": 980, "weightUnit": "g" })),
        one("getProductsIdVariantsVariantIdStock"),
        one("putProductsIdVariantsVariantIdStock"),
        one("getProductsIdVariantsVariantIdStockLedger"),
        one("deleteProductsIdVariantsVariantId"),
    ]
}

fn categories() -> Vec<Step> {
    vec![
        call("getCategories"),
        call("postCategories")
            .field("/name", "Smithing {{run}}")
            .sets("categoryId", "body.id"),
        call("getCategoriesId").with("id", "{{categoryId}}"),
        call("putCategoriesId")
            .with("id", "{{categoryId}}")
            .field("/name", "Blacksmithing {{run}}"),
        call("patchCategoriesId")
            .with("id", "{{categoryId}}")
            .body(json!({ "position": 7 })),
        call("deleteCategoriesId").with("id", "{{categoryId}}"),
    ]
}

fn files() -> Vec<Step> {
    let rested = |states: &str| wait_for("/api/products/import/{{importId}}", "adminToken", states);
    vec![
        call("postProductsBulk")
            .named("Creates many products")
            .by(Who::Admin)
            .field("/products/0/sku", "CHISEL-COLD-{{run}}")
            .field("/products/1/sku", "CHISEL-WOOD-{{run}}")
            .expects(&[207])
            .check(
                "each row is created",
                "pm.expect(body.map(one => one.status)).to.eql([201, 201]);",
            ),
        call("postProductsBulk")
            .named("Reads many products")
            .body(json!({ "ids": ["{{productId}}", "{{newProductId}}"] })),
        call("postProductsImport")
            .named("Looks what an import would change")
            .with("dryRun", "true")
            .expects(&[200, 202]),
        // Short files are in at once, unless the shop is busy.
        call("postProductsImport")
            .expects(&[200, 202])
            .sets("importId", "body.id"),
        call("getProductsImportId")
            .with("id", "{{importId}}")
            .before(rested("['done', 'failed'].includes(body.state)"))
            .check("is done", "pm.expect(body.state).to.equal('done');"),
        call("getProductsImportIdChanges").with("id", "{{importId}}"),
        call("getProductsImportIdRejected").with("id", "{{importId}}"),
        call("getProductsImport"),
        call("postProductsImportIdUndo")
            .with("id", "{{importId}}")
            .expects(&[200, 202]),
        call("getProductsImportId")
            .named("The import after it was taken back")
            .with("id", "{{importId}}")
            .before(rested("body.state === 'undone'"))
            .check("is undone", "pm.expect(body.state).to.equal('undone');"),
        call("getProductsExport").with("status", "active"),
    ]
}

fn last_things() -> Vec<Step> {
    vec![
        call("deleteProductsId").with("id", "{{newProductId}}"),
        call("getProductsId")
            .named("It is gone then")
            .with("id", "{{newProductId}}")
            .refused(404, "not_found"),
    ]
}

fn cart() -> Vec<Step> {
    vec![
        call("postCart").field("/productId", "{{productId}}"),
        call("getCart"),
        call("putCartItemsItem").with("item", "{{productId}}"),
        call("postCartAcknowledge"),
        call("deleteCartItemsItem").with("item", "{{productId}}"),
        call("postCartCartAdd").field("/productId", "{{productId}}"),
        call("postCartCartRemove").field("/productId", "{{productId}}"),
        call("deleteCart"),
    ]
}

fn orders() -> Vec<Step> {
    let places = |name| {
        call("postOrders")
            .named(name)
            .field("/items/0/productId", "{{productId}}")
            .sets("placedId", "body.orderId")
    };
    vec![
        places("Place an order"),
        call("getOrders"),
        call("getOrdersUserUserId").with("userId", "{{userId}}"),
        call("getOrdersId").with("id", "{{placedId}}"),
        call("putOrdersIdStatus").with("id", "{{placedId}}"),
        call("getOrdersIdMails").with("id", "{{placedId}}"),
        call("postOrdersIdMailsRetry").with("id", "{{placedId}}"),
        call("putOrdersIdCancel").with("id", "{{placedId}}"),
        // The stream of an order that may still change goes on; this one's has an end.
        call("getOrdersIdEvents").with("id", "{{placedId}}").before(wait_for(
            "/api/orders/{{placedId}}",
            "token",
            "body.paymentStatus === 'refunded'",
        )),
        places("Place another order"),
        call("postOrdersIdCancel").with("id", "{{placedId}}"),
    ]
}

fn payments() -> Vec<Step> {
    vec![
        call("postPaymentsProcess")
            .named("Pays an order that is paid already")
            .field("/orderId", "{{retriedId}}")
            .refused(409, "already_paid"),
        call("getPaymentsId")
            .with("id", "{{retriedId}}")
            .sets("paymentId", "body.id"),
        call("postPaymentsIdRefund")
            .with("id", "{{paymentId}}")
            .field("/amount", 1),
        // Only the provider can sign.
        call("postPaymentsWebhooksProvider")
            .named("Takes in a provider's webhook, but not without the provider's signature")
            .with("provider", "simulated")
            .refused(400, "bad_webhook"),
    ]
}

fn events() -> Vec<Step> {
    vec![
        call("getEvents").with("type", "OrderConfirmed").with("limit", "5"),
        // A stream has no end, which a test needs.
        call("getEventsStream")
            .named("Follows the log, but not from a place that there is not")
            .with("after", "nowhere")
            .refused(400, "invalid"),
        call("getAudit").with("limit", "5"),
    ]
}

fn gateway() -> Vec<Step> {
    vec![
        call("postDevEncrypt").sets("sealed", "body.encrypted"),
        call("postDevDecrypt")
            .field("/encrypted", "{{sealed}}")
            .check("is what was sealed", "pm.expect(body.success).to.equal(true);"),
    ]
}
