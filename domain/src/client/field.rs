//! What a person's fields may hold. Spaces around a value are no part of it.

use super::Registration;

const EMAIL_MAX: usize = 254;
const NAME_MAX: usize = 100;
const PHONE_MAX: usize = 32;

/// A field that may not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

type Checked = Result<(), Invalid>;

/// The form under which an address is stored, hashed and compared: trimmed, lower case.
#[must_use]
pub fn normalised_email(email: &str) -> String {
    email.trim().to_lowercase()
}

impl Registration {
    /// The same person, written the one way in which it is stored.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let trimmed = |value: &String| value.trim().to_owned();
        Self {
            email: normalised_email(&self.email),
            first_name: trimmed(&self.first_name),
            last_name: trimmed(&self.last_name),
            phone: self.phone.as_ref().map(trimmed),
            country: self
                .country
                .as_ref()
                .map(|code| trimmed(code).to_uppercase()),
        }
    }
}

/// Checks a normalised registration, field by field.
pub(super) fn check(person: &Registration) -> Checked {
    check_email(&person.email)?;
    check_name("firstName", &person.first_name)?;
    check_name("lastName", &person.last_name)?;
    person.phone.as_deref().map_or(Ok(()), check_phone)?;
    person.country.as_deref().map_or(Ok(()), check_country)
}

/// A normalised address.
pub(crate) fn check_email(email: &str) -> Checked {
    if email.len() > EMAIL_MAX {
        return invalid("email", format!("has more than {EMAIL_MAX} characters"));
    }
    let plain = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let well_formed = email.split_once('@').is_some_and(|(local, domain)| {
        let labels = !domain.starts_with('.') && !domain.ends_with('.') && !domain.contains("..");
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && labels && plain(email)
    });
    if !well_formed {
        return invalid("email", "is not an address".to_owned());
    }
    Ok(())
}

fn check_name(field: &'static str, name: &str) -> Checked {
    check_text(field, name, NAME_MAX)
}

/// One line of at most `max` characters.
pub(crate) fn check_text(field: &'static str, text: &str, max: usize) -> Checked {
    if text.trim().is_empty() {
        return invalid(field, "is empty".to_owned());
    }
    if text.chars().count() > max {
        return invalid(field, format!("has more than {max} characters"));
    }
    if text.chars().any(char::is_control) {
        return invalid(field, "holds a control character".to_owned());
    }
    Ok(())
}

fn check_phone(phone: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_digit() || " +-().".contains(c);
    let has_digit = phone.chars().any(|c| c.is_ascii_digit());
    if !has_digit || phone.len() > PHONE_MAX || !phone.chars().all(allowed) {
        return invalid("phone", "is not a telephone number".to_owned());
    }
    Ok(())
}

fn check_country(country: &str) -> Checked {
    if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return invalid(
            "country",
            "is not an ISO 3166 code of two letters".to_owned(),
        );
    }
    Ok(())
}

fn invalid(field: &'static str, message: String) -> Checked {
    Err(Invalid { field, message })
}
