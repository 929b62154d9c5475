//! The tour: a purchase from the first look to the refund, with everything that must be refused on the way.

use serde_json::json;

use super::step::{Step, Who, call, wait_for};

/// What the folder says of itself.
pub const WORDS: &str = "A purchase from the first look to the refund, and what is refused on the way. Run it first, from top to \
    bottom: it leaves the tokens of Ada, Bob and the administrator, a product and orders in variables, which the other folders use.";

const BOB: Who = Who::Holder("bobToken");

/// Nothing that staff do would go through after a refused sign-in: one plain sentence instead of a hundred failures.
const ADMINISTRATOR: &str = "if (pm.response.code !== 200 || body.user.role !== 'admin') {
    pm.execution.setNextRequest(null);
    pm.expect.fail('adminEmail and adminPassword are not those of an administrator of this shop');
}";

pub fn steps() -> Vec<Step> {
    let mut steps = arriving();
    steps.extend(buying());
    steps.extend(refused_to_others());
    steps.extend(declined());
    steps.extend(given_back());
    steps
}

fn arriving() -> Vec<Step> {
    vec![
        call("postAuthRegister")
            .named("Ada opens an account")
            .field("/email", "ada-{{run}}@example.com")
            .field("/password", "{{password}}")
            .sets("token", "body.token")
            .sets("userId", "body.user.id"),
        call("postAuthRegister")
            .named("Her address is taken then")
            .field("/email", "ada-{{run}}@example.com")
            .refused(409, "email_taken"),
        call("postAuthLogin")
            .named("A wrong password")
            .field("/email", "ada-{{run}}@example.com")
            .field("/password", "not her password")
            .refused(401, "wrong_credentials"),
        call("postAuthLogin")
            .named("Ada signs in")
            .field("/email", "ada-{{run}}@example.com")
            .field("/password", "{{password}}")
            .sets("token", "body.token")
            .sets("refreshToken", "body.refreshToken"),
        call("postAuthRegister")
            .named("Bob, who will be curious")
            .body(json!({ "username": "bob-{{run}}", "password": "{{password}}" }))
            .sets("bobToken", "body.token"),
        call("postAuthLogin")
            .named("The administrator signs in")
            .field("/email", "{{adminEmail}}")
            .field("/password", "{{adminPassword}}")
            .check("is the administrator, without whom the run stops", ADMINISTRATOR)
            .sets("adminToken", "body.token"),
    ]
}

fn buying() -> Vec<Step> {
    vec![
        call("getProducts")
            .named("Ada looks around")
            .with("inStock", "true")
            .with("sort", "price")
            .with("limit", "100")
            .check(
                "the cheapest first",
                "pm.expect(body.map(one => one.price)).to.eql(body.map(one => one.price).sort((a, b) => a - b));",
            )
            // One without options, of which there is enough.
            .sets(
                "product",
                "body.find(one => one.variants.length === 1 && one.variants[0].available >= 20)",
            )
            .sets("productId", "pm.collectionVariables.get('product').id")
            .sets("productName", "pm.collectionVariables.get('product').name")
            .sets("price", "pm.collectionVariables.get('product').price"),
        call("getProductsSearch")
            .named("She searches")
            .with("q", "{{productName}}")
            .check(
                "finds it",
                "pm.expect(body.map(one => one.id)).to.include(pm.collectionVariables.get('productId'));",
            ),
        call("getProductsId").named("She reads about it").with("id", "{{productId}}"),
        call("postCart")
            .named("Two into the cart")
            .field("/productId", "{{productId}}")
            .check("there are two", "pm.expect(body.itemCount).to.equal(2);"),
        call("putCartItemsItem")
            .named("No, three")
            .with("item", "{{productId}}")
            .field("/quantity", 3),
        call("getCart").named("Her cart").check(
            "costs what three cost",
            "pm.expect(body.total).to.be.closeTo(3 * pm.collectionVariables.get('price'), 0.001);",
        ),
        call("postOrders")
            .named("She orders her cart")
            .body(json!({
                "shippingAddress": {
                    "name": "Ada Forge", "street": "1 Forge Lane", "city": "Sheffield", "postalCode": "S1 2HE", "country": "GB",
                },
                "paymentMethod": "credit_card",
                "paymentToken": "tok_visa",
            }))
            .header("Idempotency-Key", "buy-{{run}}")
            .check("is confirmed", "pm.expect(body.status).to.equal('confirmed');")
            .sets("orderId", "body.orderId"),
        call("postOrders")
            .named("The same call once more is the same order")
            .body(json!({
                "shippingAddress": {
                    "name": "Ada Forge", "street": "1 Forge Lane", "city": "Sheffield", "postalCode": "S1 2HE", "country": "GB",
                },
                "paymentMethod": "credit_card",
                "paymentToken": "tok_visa",
            }))
            .header("Idempotency-Key", "buy-{{run}}")
            .check(
                "is the same order",
                "pm.expect(body.orderId).to.equal(pm.collectionVariables.get('orderId'));",
            ),
        call("postOrders")
            .named("The same key for another call")
            .field("/items/0/productId", "{{productId}}")
            .header("Idempotency-Key", "buy-{{run}}")
            .refused(422, "idempotency_key_reused"),
        call("postOrders")
            .named("The cart is empty now")
            .body(json!({}))
            .refused(400, "empty_order"),
        call("getOrdersId")
            .named("Her order")
            .with("id", "{{orderId}}")
            .check("is paid", "pm.expect(body.paymentStatus).to.equal('completed');"),
        call("getPaymentsId")
            .named("Its payment")
            .with("id", "{{orderId}}")
            .sets("paymentId", "body.id"),
    ]
}

fn refused_to_others() -> Vec<Step> {
    vec![
        call("getOrdersId")
            .named("Bob does not see her order")
            .by(BOB)
            .with("id", "{{orderId}}")
            .refused(404, "not_found"),
        call("putOrdersIdCancel")
            .named("Nor does he cancel it")
            .by(BOB)
            .with("id", "{{orderId}}")
            .refused(404, "not_found"),
        call("postPaymentsIdRefund")
            .named("Customers refund nothing")
            .by(BOB)
            .with("id", "{{paymentId}}")
            .refused(403, "forbidden"),
        call("getCart")
            .named("Visitors have no cart")
            .by(Who::Nobody)
            .refused(401, "unauthorized"),
        call("postOrders")
            .named("More than there is")
            .body(json!({ "items": [{ "productId": "{{productId}}", "quantity": 9999 }] }))
            .refused(409, "out_of_stock")
            .check(
                "says what there is",
                "pm.expect(body.lines[0].available).to.be.below(9999);",
            ),
    ]
}

fn declined() -> Vec<Step> {
    vec![
        call("postOrders")
            .named("A declined card leaves the order pending")
            .body(json!({
                "items": [{ "productId": "{{productId}}", "quantity": 1 }],
                "paymentToken": "tok_declined",
            }))
            .check(
                "says why",
                "pm.expect(body.status).to.equal('pending'); pm.expect(body.paymentError).to.be.an('object');",
            )
            .sets("retriedId", "body.orderId"),
        call("postPaymentsProcess")
            .named("A card without funds")
            .body(json!({ "orderId": "{{retriedId}}", "paymentToken": "tok_insufficient_funds" }))
            .refused(402, "payment_declined"),
        call("postPaymentsProcess")
            .named("Another card pays it")
            .body(json!({ "orderId": "{{retriedId}}", "paymentToken": "tok_visa" }))
            .check("is paid", "pm.expect(body.status).to.equal('completed');"),
        call("postPaymentsProcess")
            .named("Nothing is paid twice")
            .body(json!({ "orderId": "{{retriedId}}", "paymentToken": "tok_visa" }))
            .refused(409, "already_paid"),
    ]
}

fn given_back() -> Vec<Step> {
    vec![
        call("postPaymentsIdRefund")
            .named("The house gives a part back")
            .with("id", "{{paymentId}}")
            .field("/amount", 1),
        call("postPaymentsIdRefund")
            .named("But not more than was paid")
            .with("id", "{{paymentId}}")
            .field("/amount", 100_000)
            .refused(409, "refund_exceeds_captured"),
        call("putOrdersIdCancel")
            .named("Ada cancels the order")
            .with("id", "{{orderId}}")
            .check("is cancelled", "pm.expect(body.status).to.equal('cancelled');"),
        call("getPaymentsId")
            .named("And has all her money back")
            .with("id", "{{orderId}}")
            .before(wait_for("/api/payments/{{orderId}}", "token", "body.status === 'refunded'"))
            .check("is refunded", "pm.expect(body.status).to.equal('refunded');"),
        call("putOrdersIdStatus")
            .named("A cancelled order is not shipped")
            .with("id", "{{orderId}}")
            .body(json!({ "status": "shipped" }))
            .refused(409, "illegal_transition"),
        call("getEvents")
            .named("The log tells the story")
            .with("subject", "{{orderId}}")
            .before(wait_for(
                "/api/events?subject={{orderId}}",
                "adminToken",
                "body.some(one => one.type === 'OrderCancelled')",
            ))
            .check(
                "from its beginning to its end",
                "pm.expect(body.map(one => one.type)).to.include.members(['OrderCreated', 'OrderConfirmed', 'OrderCancelled']);",
            ),
    ]
}
