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
    if !sound {
        return None;
    }
    let mut take = |name: &str| given.remove(name).map(SecretString::from);
    let access = take("JWT_ACCESS_SECRET")?;
    let access_previous = take("JWT_ACCESS_SECRET_PREVIOUS");
    let refresh = take("JWT_REFRESH_SECRET")?;
    let refresh_previous = take("JWT_REFRESH_SECRET_PREVIOUS");
    let crm_token = take("CRM_SERVICE_TOKEN")?;
    let crm_token_previous = take("CRM_SERVICE_TOKEN_PREVIOUS");
    let webhooks = take("SITE_WEBHOOK_SECRET")?;
    let webhooks_previous = take("SITE_WEBHOOK_SECRET_PREVIOUS");
    match MasterKey::parse(&given["DATA_ENCRYPTION_KEY"]) {
        Ok(master_key) => Some(Secrets {
            access,
            access_previous,
            refresh,
            refresh_previous,
            master_key,
            crm_token,
            crm_token_previous,
            webhooks,
            webhooks_previous,
        }),
        Err(error) => {
            read.error("DATA_ENCRYPTION_KEY", error.to_string());
            None
        }
    }
}
