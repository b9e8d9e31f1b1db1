//! docs/webhooks/*.json: the JSON Schema of each webhook, with bodies that were really rendered.
//! `DAYBOOK_UPDATE_DOCS=1` writes them; without, a file that says something else fails the test.

use std::{collections::BTreeSet, fs, path::Path};

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{
    account::{AccountData, BalanceData, LiquidationData, MarginCallData},
    client::{
        ControlsData, EmailVerifiedData, KycData, ProfileChangedData, StandingData, UserCreatedData,
    },
    client_rules::{ClientLimitsData, ExternalIdData, TierData, TradingData},
    funding::{DepositData, FundingData, WithdrawalData},
    trading::{ClosedData, OrderData, PositionData},
};
use crate::crm::{kind::Kind, tell::tests::Story};

/// The shapes that `data` of a kind may have. A new kind breaks the build here.
fn shapes(kind: Kind) -> Vec<Value> {
    match kind {
        Kind::UserCreated => vec![schema::<UserCreatedData>()],
        Kind::UserUpdated => vec![
            schema::<ProfileChangedData>(),
            schema::<StandingData>(),
            schema::<TierData>(),
            schema::<TradingData>(),
            schema::<ClientLimitsData>(),
            schema::<ExternalIdData>(),
            schema::<ControlsData>(),
        ],
        Kind::EmailVerified => vec![schema::<EmailVerifiedData>()],
        Kind::KycStatusChanged => vec![schema::<KycData>()],
        Kind::AccountUpdated => vec![schema::<AccountData>()],
        Kind::OrderPlaced | Kind::OrderModified | Kind::OrderCancelled => {
            vec![schema::<OrderData>()]
        }
        Kind::PositionOpened | Kind::PositionUpdated => vec![schema::<PositionData>()],
        Kind::PositionClosed => vec![schema::<ClosedData>()],
        Kind::Liquidation => vec![schema::<LiquidationData>()],
        Kind::MarginCall => vec![schema::<MarginCallData>()],
        Kind::BalanceUpdated => vec![schema::<BalanceData>()],
        Kind::DepositRequested | Kind::DepositCompleted => vec![schema::<DepositData>()],
        Kind::WithdrawalRequested | Kind::WithdrawalCompleted => vec![schema::<WithdrawalData>()],
        Kind::DepositUpdated | Kind::WithdrawalUpdated => vec![schema::<FundingData>()],
    }
}

/// Of what is written, every field of which is always there.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
    let schema = SchemaGenerator::new(settings).into_root_schema_for::<T>();
    schema.to_value()
}

/// The whole document of a kind.
fn document(kind: Kind, story: &Story) -> Value {
    let mut shapes = shapes(kind);
    let data = if shapes.len() == 1 {
        shapes.remove(0)
    } else {
        json!({ "oneOf": shapes })
    };
    let names = kind.names(daybook_domain::endpoint::Vocabulary::Both);
    let version = kind.version();
    let whole =
        |description: &str| json!({ "type": "integer", "minimum": 1, "description": description });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:daybook:webhook:{}:v{version}", kind.site()),
        "title": kind.site(),
        "type": "object",
        "required": ["id", "event", "data", "timestamp", "position", "number", "clientNumber"],
        "properties": {
            "id": {
                "type": "string",
                "format": "uuid",
                "description": "The idempotency key: the same on each try, resend and replay.",
            },
            "event": { "enum": names },
            "data": data,
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened, UTC.",
            },
            "position": whole("Of the event in the book."),
            "number": whole("Without gaps for each endpoint."),
            "clientNumber": whole("Without gaps for each client and endpoint."),
        },
        "examples": examples(kind, names[0], story),
    })
}

/// The first body of each shape.
fn examples(kind: Kind, name: &str, story: &Story) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut examples = Vec::new();
    for (number, told) in (1..).zip(&story.told) {
        let body: Value = serde_json::from_str(&told.body(name, number)).unwrap();
        let keys: Vec<String> = body["data"].as_object().unwrap().keys().cloned().collect();
        if told.message.kind == kind && seen.insert(keys) {
            examples.push(body);
        }
    }
    examples
}

#[test]
fn the_schemas_are_those_in_the_documentation() {
    let story = Story::whole();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/webhooks");
    let mut names = BTreeSet::new();
    for kind in Kind::ALL {
        let name = format!("{}.v{}.json", kind.site(), kind.version());
        let text = serde_json::to_string_pretty(&document(*kind, &story)).unwrap() + "\n";
        let path = directory.join(&name);
        if std::env::var_os("DAYBOOK_UPDATE_DOCS").is_some() {
            fs::create_dir_all(&directory).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/webhooks/{name} is out of date: run the tests with DAYBOOK_UPDATE_DOCS=1"
        );
        names.insert(name);
    }
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "docs/webhooks/{name} is of no kind");
    }
}

#[test]
fn every_body_fits_its_schema_and_has_no_field_beside_it() {
    let story = Story::whole();
    for (number, told) in (1..).zip(&story.told) {
        let kind = told.message.kind;
        let body: Value = serde_json::from_str(&told.body(kind.site(), number)).unwrap();
        let data = &body["data"];
        let fits = shapes(kind).iter().any(|shape| fits(data, shape));
        assert!(fits, "{}: {data:#}", kind.site());
    }
}

/// Whether a value is what a schema of ours describes: types, required and known fields.
fn fits(value: &Value, schema: &Value) -> bool {
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other} is in no schema of ours"),
    };
    let typed = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            panic!("a schema without a type: {schema:#}")
        }
    };
    let properties = schema["properties"].as_object();
    let object = value.as_object().zip(properties);
    let fields = object.is_none_or(|(fields, properties)| {
        fields.len() == properties.len()
            && properties
                .iter()
                .all(|(name, schema)| fields.get(name).is_some_and(|field| fits(field, schema)))
    });
    let items = value.as_array();
    let items = items.is_none_or(|items| items.iter().all(|item| fits(item, &schema["items"])));
    typed && fields && items
}
