//! Generated documents: a changed contract is a visible diff. `DAYBOOK_UPDATE_DOCS=1` writes them.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

fn same_as_written(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("DAYBOOK_UPDATE_DOCS").is_some() {
        fs::write(&path, generated).expect("the document can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "{name} is out of date: run the tests with DAYBOOK_UPDATE_DOCS=1 and look at the diff"
    );
}

fn document() -> serde_json::Value {
    serde_json::to_value(daybook_api::openapi()).expect("the document is JSON")
}

#[test]
fn the_list_of_errors_is_the_one_in_the_documentation() {
    let mut page = String::from(
        "# Errors\n\n\
         Generated from `api/src/problem/code.rs`; a test keeps this page equal to it.\n\n\
         Every failed request is answered with `application/problem+json`: `{type, title, status, \
         detail, code, errors?: [{field, message}], requestId}`. `code` is stable. 422 are refusals \
         by a rule; of an order they also stand in the book as `OrderRejected` with the same code. \
         503 and 429 come with `Retry-After`. With 400, 401, 403, 404, 413, 414, 415, 429, 431 and 503 \
         nothing was appended, except that after `unavailable` it is unknown: ask again with the \
         same `Idempotency-Key`.\n\n\
         | status | code | meaning |\n|---|---|---|\n",
    );
    for entry in daybook_api::error_catalogue() {
        writeln!(
            page,
            "| {} | `{}` | {} |",
            entry.status, entry.code, entry.meaning
        )
        .unwrap();
    }
    same_as_written("../docs/ERRORS.md", &page);
}

#[test]
fn the_routes_are_the_ones_of_the_contract() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut routes = String::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            writeln!(routes, "{} {path}", method.to_uppercase()).unwrap();
        }
    }
    same_as_written("tests/routes.txt", &routes);
}

#[test]
fn every_operation_is_described_with_its_answers() {
    let document = document();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let named = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{named} has no summary");
            assert!(
                !operation["responses"].as_object().unwrap().is_empty(),
                "{named}"
            );
            assert!(
                operations.insert(operation["operationId"].to_string()),
                "{named}"
            );
            let signed_in = ["/trading", "/user", "/compliance", "/staff/deals"];
            if signed_in.iter().any(|prefix| path.starts_with(prefix)) {
                assert!(
                    operation["security"].is_array(),
                    "{named} does not say who may"
                );
            }
        }
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{pointer} leads nowhere"
        );
    }
}
