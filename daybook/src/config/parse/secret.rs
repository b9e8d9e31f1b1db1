//! From variables, or the data directory, to secrets.

use std::{collections::BTreeMap, path::Path};

use daybook_store::MasterKey;
use secrecy::SecretString;

use crate::config::{Secrets, reader::Reader, secrets};

/// Secrets with the least length that is accepted: what we sign or encrypt with ourselves needs
/// strength of its own, what is shared with the CRM is the CRM's choice.
const SECRETS: &[(&str, &str, usize)] = &[
    ("JWT_ACCESS_SECRET", "JWT_ACCESS_SECRET_PREVIOUS", 16),
    ("JWT_REFRESH_SECRET", "JWT_REFRESH_SECRET_PREVIOUS", 16),
    ("DATA_ENCRYPTION_KEY", "DATA_ENCRYPTION_KEY_PREVIOUS", 16),
    (
        "SSO_IMPERSONATION_SECRET",
        "SSO_IMPERSONATION_SECRET_PREVIOUS",
        16,
    ),
    ("CRM_SSO_SECRET", "CRM_SSO_SECRET_PREVIOUS", 8),
    ("CRM_SERVICE_TOKEN", "CRM_SERVICE_TOKEN_PREVIOUS", 8),
    ("SITE_WEBHOOK_SECRET", "SITE_WEBHOOK_SECRET_PREVIOUS", 8),
];

/// None when one is missing, too short, or cannot be kept; that is an error by then.
pub fn in_use(read: &mut Reader, external: bool, data_dir: &Path) -> Option<Secrets> {
    let given = given(read, external, data_dir)?;
    match MasterKey::parse(&given["DATA_ENCRYPTION_KEY"]) {
        Ok(master_key) => named(given, master_key),
        Err(error) => {
            read.error("DATA_ENCRYPTION_KEY", error.to_string());
            None
        }
    }
}

/// By name; each that is required is there.
fn given(read: &mut Reader, external: bool, data_dir: &Path) -> Option<BTreeMap<String, String>> {
    let mut given = BTreeMap::new();
    let mut missing = Vec::new();
    let mut sound = true;
    for &(name, previous, length_min) in SECRETS {
        for name in [name, previous] {
            let Some((by, value)) = read.found(name) else {
                continue;
            };
            if value.len() < length_min {
                read.error(by, format!("must have at least {length_min} characters"));
                sound = false;
            }
            given.insert(name.to_owned(), value);
        }
        if !given.contains_key(name) {
            missing.push(name);
        }
    }
    if external {
        for name in &missing {
            read.error(*name, "is required with DATABASE_URL");
        }
        sound &= missing.is_empty();
    } else if sound && !missing.is_empty() {
        match secrets::kept(data_dir, &missing) {
            Ok(kept) => {
                let wanted = kept
                    .into_iter()
                    .filter(|(name, _)| missing.contains(&name.as_str()));
                given.extend(wanted);
            }
            Err(error) => {
                let problem = format!("keeping secrets in {}: {error}", data_dir.display());
                read.error("DAYBOOK_DATA_DIR", problem);
                sound = false;
            }
        }
    }
    sound.then_some(given)
}

fn named(mut given: BTreeMap<String, String>, master_key: MasterKey) -> Option<Secrets> {
    let mut take = |name: &str| given.remove(name).map(SecretString::from);
    Some(Secrets {
        access: take("JWT_ACCESS_SECRET")?,
        access_previous: take("JWT_ACCESS_SECRET_PREVIOUS"),
        refresh: take("JWT_REFRESH_SECRET")?,
        refresh_previous: take("JWT_REFRESH_SECRET_PREVIOUS"),
        master_key,
        sso: take("SSO_IMPERSONATION_SECRET")?,
        sso_previous: take("SSO_IMPERSONATION_SECRET_PREVIOUS"),
        crm_sso: take("CRM_SSO_SECRET")?,
        crm_sso_previous: take("CRM_SSO_SECRET_PREVIOUS"),
        crm_token: take("CRM_SERVICE_TOKEN")?,
        crm_token_previous: take("CRM_SERVICE_TOKEN_PREVIOUS"),
        webhooks: take("SITE_WEBHOOK_SECRET")?,
        webhooks_previous: take("SITE_WEBHOOK_SECRET_PREVIOUS"),
    })
}
