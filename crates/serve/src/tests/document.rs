//! The OpenAPI document of the test service.

use super::*;

fn document() -> Value {
    let (_, declared) = things().finish(());
    openapi::document(
        &declared,
        &openapi::Info {
            title: "Test",
            version: "1",
            server: "/",
            routed: |_| true,
        },
    )
}

#[test]
fn routes_become_operations() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let post = &document["paths"]["/api/things"]["post"];
    assert_eq!(post["operationId"], "postThings");
    assert_eq!(
        post["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/NewThingInput"
    );
    assert_eq!(post["x-also"][0], "POST /api/my/{userId}/things");
    assert_eq!(post["x-also"][2], "POST /api/thing/things");
    for status in ["201", "400", "401", "403", "409", "413", "415", "422", "503", "default"] {
        assert!(post["responses"].get(status).is_some(), "{status} of {post:#}");
    }
    let list = &document["paths"]["/api/things"]["get"];
    assert_eq!(list["parameters"][1]["name"], "limit");
    assert_eq!(
        list["responses"]["200"]["content"]["application/json"]["schema"]["items"]["$ref"],
        "#/components/schemas/NewThing"
    );
    assert!(list["responses"].get("403").is_none());
    assert!(
        document["paths"]
            .as_object()
            .unwrap()
            .keys()
            .all(|path| !path.contains("internal"))
    );
}

#[test]
fn a_type_that_reads_otherwise_than_it_writes_has_two_schemas() {
    let schemas = document()["components"]["schemas"].clone();
    let needed = |name: &str| schemas[name]["required"].as_array().unwrap().len();
    assert_eq!((needed("NewThingInput"), needed("NewThing")), (2, 4));
    assert!(schemas.get("Sought").is_none(), "queries are parameters, not schemas");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_one() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
    }
    let mut ids: Vec<&str> = Vec::new();
    for methods in document["paths"].as_object().unwrap().values() {
        ids.extend(
            methods
                .as_object()
                .unwrap()
                .values()
                .map(|call| call["operationId"].as_str().unwrap()),
        );
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(reference) => references.push(reference.to_owned()),
                    None => collect(value, references),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_request_and_refusal_has_an_example_that_fits() {
    let document = document();
    let post = &document["paths"]["/api/things"]["post"];
    let body = &post["requestBody"]["content"]["application/json"];
    let mut schema = body["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&body["example"]), "{}", body["example"]);
    let refused = &post["responses"]["400"]["content"]["application/problem+json"]["examples"];
    assert_eq!(refused["invalid"]["value"]["code"], "invalid");
    assert_eq!(refused["malformed"]["value"]["status"], 400);
}

#[test]
fn tags_and_keys_are_told_where_they_count() {
    let routes = Routes::<()>::new("things", None)
        .add(
            Route::get("/things/{id}", || async {})
                .rights(Rights::User)
                .gives::<NewThing>(200)
                .gives_nothing(304),
        )
        .add(
            Route::put("/things/{id}", || async {})
                .rights(Rights::User)
                .takes::<NewThing>()
                .gives::<NewThing>(200)
                .refuses(&[(412, "precondition_failed")]),
        )
        .add(
            Route::post("/things/import", || async {})
                .rights(Rights::User)
                .takes_text("text/csv")
                .gives::<NewThing>(200),
        );
    let (_, declared) = routes.finish(());
    let info = openapi::Info {
        title: "Test",
        version: "1",
        server: "/",
        routed: |_| true,
    };
    let document = openapi::document(&declared, &info);
    let headers = |operation: &Value| -> Vec<String> {
        let all = operation["parameters"].as_array().into_iter().flatten();
        let headers = all.filter(|parameter| parameter["in"] == "header");
        headers
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let one = &document["paths"]["/api/things/{id}"];
    assert_eq!(headers(&one["get"]), ["If-None-Match"]);
    assert!(one["get"]["responses"]["200"]["headers"].get("ETag").is_some());
    assert_eq!(headers(&one["put"]), ["Idempotency-Key", "If-Match"]);
    let import = &document["paths"]["/api/things/import"]["post"];
    assert_eq!(headers(import), ["Idempotency-Key"]);
    assert!(import["responses"].get("422").is_some());
}
