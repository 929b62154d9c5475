//! Where an order goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{country_code, postal_code};

/// The longest part of an address.
const PART_MAX: usize = 200;

/// A postal address. `country` is answered as its ISO 3166-1 alpha-2 code; an English name is taken as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "name": "Ada Forge", "street": "1 Forge Lane", "city": "Sheffield", "postalCode": "S1 2HE", "country": "GB"
}))]
pub struct Address {
    /// Who receives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The company it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Street and house number.
    pub street: String,
    /// Flat, floor, building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street2: Option<String>,
    /// Town.
    pub city: String,
    /// State, province or county.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code, in the form of its country; answered in its usual spelling. Empty where a country has none.
    #[serde(alias = "zipCode", alias = "postal_code", alias = "zip_code")]
    pub postal_code: String,
    /// ISO 3166-1 alpha-2 code or English name.
    pub country: String,
    /// For the carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// A part of an address that cannot be used: the field's name on the wire, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFault {
    /// The JSON name of the field.
    pub field: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl Address {
    /// The address with its parts trimmed and its country as a code; all faults at once.
    pub fn checked(mut self) -> Result<Self, Vec<AddressFault>> {
        let mut faults = Vec::new();
        let mut need = |field: &'static str, part: &mut String| faults.extend(wanting(field, part));
        need("street", &mut self.street);
        need("city", &mut self.city);
        let code = country_code(&self.country);
        let spelled = match code {
            Some(code) => postal_code(code, &self.postal_code),
            None if self.postal_code.trim().is_empty() => Err("is needed".to_owned()),
            None => Ok(std::mem::take(&mut self.postal_code)),
        };
        match spelled {
            Ok(spelled) => self.postal_code = spelled,
            Err(detail) => faults.push(fault("postalCode", detail)),
        }
        let mut need = |field: &'static str, part: &mut String| faults.extend(wanting(field, part));
        need("country", &mut self.country);
        let optional = [
            ("name", &mut self.name),
            ("company", &mut self.company),
            ("street2", &mut self.street2),
            ("state", &mut self.state),
            ("phone", &mut self.phone),
        ];
        for (field, part) in optional {
            *part = part.take().filter(|text| !text.trim().is_empty());
            if let Some(text) = part {
                need(field, text);
            }
        }
        match code {
            Some(code) => self.country = code.to_owned(),
            None if faults.iter().any(|fault| fault.field == "country") => {}
            None => faults.push(fault(
                "country",
                format!(
                    "{:?} is neither an ISO 3166 code such as DE nor the English name of a country",
                    self.country
                ),
            )),
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }
}

fn fault(field: &'static str, detail: String) -> AddressFault {
    AddressFault { field, detail }
}

/// Trims a part; what is wrong with it when nothing is left, or too much.
fn wanting(field: &'static str, part: &mut String) -> Option<AddressFault> {
    *part = part.trim().to_owned();
    if part.is_empty() {
        Some(fault(field, "is needed".to_owned()))
    } else if part.len() > PART_MAX || part.contains('\0') {
        Some(fault(field, format!("has at most {PART_MAX} characters")))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(country: &str) -> Address {
        Address {
            street: " Main St 1 ".into(),
            city: "Springfield".into(),
            postal_code: "12345".into(),
            country: country.into(),
            name: Some("  ".into()),
            ..Address::default()
        }
    }

    #[test]
    fn country_names_become_codes() {
        for (given, code) in [
            ("US", "US"),
            ("us", "US"),
            ("United States", "US"),
            ("germany", "DE"),
            ("USA", "US"),
            ("Türkiye", "TR"),
        ] {
            let checked = address(given).checked().expect(given);
            assert_eq!(
                (checked.country.as_str(), checked.street.as_str(), checked.name),
                (code, "Main St 1", None)
            );
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = Address {
            country: "Atlantis".into(),
            ..Address::default()
        }
        .checked()
        .unwrap_err();
        let fields: Vec<_> = faults.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["street", "city", "postalCode", "country"]);
        let faults = Address {
            city: "  ".into(),
            postal_code: "1234".into(),
            ..address("US")
        }
        .checked()
        .unwrap_err();
        let fields: Vec<_> = faults.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["city", "postalCode"]);
    }

    #[test]
    fn the_code_follows_its_country() {
        let with = |country: &str, code: &str| Address {
            postal_code: code.into(),
            ..address(country)
        };
        let checked = with("Canada", "k1a0b1").checked().expect("an address");
        assert_eq!(
            (checked.country.as_str(), checked.postal_code.as_str()),
            ("CA", "K1A 0B1")
        );
        assert_eq!(with("Hong Kong", "").checked().expect("no codes there").postal_code, "");
        assert!(with("Germany", "").checked().is_err());
    }
}
