//! Somebody of the broker's in a client's place.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Scratch, embedded, names};

#[test]
fn a_session_in_a_clients_place_is_short_and_restricted_unless_said_otherwise() {
    let dir = Scratch::new();
    let api = embedded(&dir, &[]).unwrap().api;
    assert_eq!(api.impersonation_session, Duration::from_secs(3_600));
    assert!(!api.impersonation_can_withdraw);
    assert_eq!(api.url, "http://127.0.0.1:8080");
    let given = [
        ("IMPERSONATION_SESSION_SEC", "600"),
        ("IMPERSONATION_CAN_WITHDRAW", "true"),
        ("API_URL", "https://api.example.com/"),
        ("CRM_SSO_SECRET", "of the crm"),
    ];
    let config = embedded(&dir, &given).unwrap();
    assert_eq!(config.api.impersonation_session, Duration::from_secs(600));
    assert!(config.api.impersonation_can_withdraw);
    assert_eq!(config.api.url, "https://api.example.com");
    assert_eq!(config.secrets.crm_sso.expose_secret(), "of the crm");
    assert_eq!(config.secrets.sso.expose_secret().len(), 64);
    for wrong in ["59", "86401", "an hour"] {
        let errors = embedded(&dir, &[("IMPERSONATION_SESSION_SEC", wrong)]).unwrap_err();
        assert_eq!(names(&errors), ["IMPERSONATION_SESSION_SEC"]);
    }
}
