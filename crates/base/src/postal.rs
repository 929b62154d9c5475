//! Postal codes: the forms that are known, country by country.
//!
//! Source: the Universal Postal Union's addressing pages (upu.int, "Universal POST*CODE DataBase") and Unicode CLDR's
//! `postalCodeData`. Only the form is checked, not whether a town has the code; where a country changed its form, both
//! are taken, and a country that is not listed may write what it likes: a code refused in error costs a sale.

/// Codes longer than this are no codes, whatever the country: the longest form has 10 characters.
const CODE_MAX: usize = 16;

/// What a country's postal code looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostalForm {
    /// One of these forms: `#` is a digit, `@` a letter, `*` either; anything else stands for itself.
    Forms(&'static str),
    /// The country has no postal codes.
    None,
    /// Nothing is known: any short text will do.
    Any,
}

/// The form of a country's postal codes, by its ISO 3166-1 alpha-2 code.
pub fn postal_form(country: &str) -> PostalForm {
    if WITHOUT.contains(&country) {
        return PostalForm::None;
    }
    let of =
        |(forms, countries): &(&'static str, &str)| countries.split(' ').any(|one| one == country).then_some(*forms);
    FORMS.iter().find_map(of).map_or(PostalForm::Any, PostalForm::Forms)
}

/// A postal code in its country's usual spelling: `k1a0b1` in Canada is `K1A 0B1`. Spaces, hyphens, case, and the
/// country's own code in front do not matter.
///
/// # Errors
/// What is wrong with it, for people.
pub fn postal_code(country: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > CODE_MAX {
        return Err(format!("has at most {CODE_MAX} characters"));
    }
    match postal_form(country) {
        PostalForm::None => Ok(text.to_owned()),
        PostalForm::Any if text.is_empty() => Err("is needed".to_owned()),
        PostalForm::Any => Ok(text.to_owned()),
        PostalForm::Forms(_) if text.is_empty() => Err("is needed".to_owned()),
        PostalForm::Forms(forms) => {
            let given = squeezed(text);
            let bare = given.strip_prefix(country).unwrap_or(&given);
            let fits = forms
                .split('|')
                .find_map(|form| fill(form, &given).or_else(|| fill(form, bare)));
            fits.ok_or_else(|| format!("is no postal code of {country}, which look like {}", shown(forms)))
        }
    }
}

/// Without what people put in between, in upper case.
fn squeezed(text: &str) -> String {
    let kept = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '\u{a0}'));
    kept.flat_map(char::to_uppercase).collect()
}

/// The squeezed code in the spelling of the form, if it fits. Prefixes that a form spells out may be absent.
fn fill(form: &str, code: &str) -> Option<String> {
    let spelled = form.find(['#', '@', '*']).map_or("", |first| &form[..first]);
    let code = match squeezed(spelled) {
        prefix if prefix.is_empty() || code.starts_with(&prefix) => code.to_owned(),
        prefix if spelled.ends_with(['-', ' ']) => prefix + code,
        _ => return None,
    };
    let mut given = code.chars();
    let mut out = String::with_capacity(form.len());
    for place in form.chars() {
        match place {
            ' ' | '-' => out.push(place),
            _ => {
                let one = given.next()?;
                let fits = match place {
                    '#' => one.is_ascii_digit(),
                    '@' => one.is_ascii_uppercase(),
                    '*' => one.is_ascii_uppercase() || one.is_ascii_digit(),
                    fixed => one == fixed,
                };
                out.push(fits.then_some(one)?);
            }
        }
    }
    given.next().is_none().then_some(out)
}

/// Forms as examples for people: `12345 or 12345-1234`.
fn shown(forms: &str) -> String {
    let example = |form: &str| {
        let (mut digit, mut letter) = (0, 0);
        let each = form.chars().map(|place| match place {
            '#' => {
                digit += 1;
                char::from(b'0' + (digit % 10) as u8)
            }
            '@' | '*' => {
                letter += 1;
                char::from(b'A' + ((letter - 1) % 26) as u8)
            }
            fixed => fixed,
        });
        each.collect::<String>()
    };
    forms.split('|').map(example).collect::<Vec<_>>().join(" or ")
}

/// Countries and territories without postal codes.
const WITHOUT: &[&str] = &[
    "AE", "AG", "AO", "AW", "BF", "BI", "BJ", "BO", "BQ", "BS", "BW", "BZ", "CD", "CF", "CG", "CI", "CM", "CW", "DJ",
    "DM", "ER", "FJ", "GA", "GD", "GM", "GQ", "GY", "HK", "KI", "KM", "KP", "ML", "MO", "MR", "MW", "NR", "NU", "QA",
    "RW", "SB", "SC", "SL", "SR", "ST", "SX", "SY", "TD", "TG", "TK", "TL", "TO", "TV", "UG", "VU", "YE", "ZW",
];

/// Forms, and the countries that have them. The first form is the usual one.
#[rustfmt::skip]
const FORMS: &[(&str, &str)] = &[
    ("###", "FO GN IS LS MG PG OM"),
    ("####", "AF AL AM AT AU BD BE BG CH CK CV CX CY DK ET GE GL GW HT HU LI LR LU MK NE NF NO NZ PH PY SI SJ TN VE ZA CC HM"),
    ("#####", "AX BA BT CR CU DE DO DZ EE ES FI FR GT HN HR ID IQ IT JO KE KR KW LA LK MA MC ME MM MU MV MX MY NP PE PK SD SM SN SO TH TR UA UY VA ZM BL GF GP MF MQ NC PF PM RE WF YT MZ"),
    ("######", "BY CN IN KG KZ RO RU SG TJ TM UZ"),
    ("#####|#####-####", "US PR GU VI AS MP FM MH PW UM SA"),
    ("#####|######", "KH MN RS VN"),
    ("#####|#######", "IL EG"),
    ("#####|##########", "IR"),
    ("###|#####|######", "TW"),
    ("###|####", "BH"),
    ("####|#### ####", "LB"),
    ("#######", "CL"),
    ("######|#####", "CO EC NG"),
    ("### ##", "CZ GR SE SK"),
    ("###-####", "JP"),
    ("##-###", "PL"),
    ("#####-###", "BR"),
    ("####-###|####", "PT"),
    ("#### @@", "NL"),
    ("@#@ #@#", "CA"),
    ("@#### @@@|@####@@@|####", "AR"),
    ("@# #@@|@## #@@|@@# #@@|@@## #@@|@#@ #@@|@@#@ #@@|GIR 0AA", "GB GG IM JE"),
    ("@@@ ####|@@@ ##", "MT"),
    ("@@####", "BN"),
    ("@@ ##|@@ @@", "BM"),
    ("@###", "SZ"),
    ("@@-####-####|@@-###-####", "GH"),
    ("@## ****|D6W ****", "IE"),
    ("AD###", "AD"),
    ("AI-2640", "AI"),
    ("AZ ####", "AZ"),
    ("BB#####", "BB"),
    ("KY#-####", "KY"),
    ("LT-#####", "LT"),
    ("LV-####", "LV"),
    ("MD-####", "MD"),
    ("MSR ####", "MS"),
    ("VC####", "VC"),
    ("VG####", "VG"),
    ("LC## ###", "LC"),
    ("BBND 1ZZ", "IO"), ("FIQQ 1ZZ", "FK"), ("SIQQ 1ZZ", "GS"), ("PCRN 1ZZ", "PN"), ("TKCA 1ZZ", "TC"), ("GX11 1AA", "GI"),
    ("ASCN 1ZZ|STHL 1ZZ|TDCU 1ZZ", "SH"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_get_their_usual_spelling() {
        for (country, given, spelled) in [
            ("US", "12345", "12345"),
            ("US", "123456789", "12345-6789"),
            ("CA", "k1a0b1", "K1A 0B1"),
            ("GB", "sw1a1aa", "SW1A 1AA"),
            ("GB", "M1 1AE", "M1 1AE"),
            ("DE", "D-10115", ""),
            ("DE", "DE-10115", "10115"),
            ("SE", "SE-11455", "114 55"),
            ("LV", "1010", "LV-1010"),
            ("LV", "lv-1010", "LV-1010"),
            ("NL", "1012ab", "1012 AB"),
            ("JP", "1000001", "100-0001"),
            ("PL", "00950", "00-950"),
            ("BR", "01310 100", "01310-100"),
            ("IE", "d02af30", "D02 AF30"),
            ("AR", "C1425CLA", "C1425 CLA"),
            ("AD", "ad500", "AD500"),
            ("AD", "500", ""),
            ("HK", "", ""),
            ("JM", "JMAAW19", "JMAAW19"),
        ] {
            let found = postal_code(country, given);
            match spelled {
                "" if country == "HK" => assert_eq!(found.as_deref(), Ok("")),
                "" => assert!(found.is_err(), "{country} {given}: {found:?}"),
                _ => assert_eq!(found.as_deref(), Ok(spelled), "{country} {given}"),
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_an_example() {
        for (country, given) in [
            ("US", "1234"),
            ("US", "ABCDE"),
            ("DE", "1011"),
            ("CA", "12345"),
            ("GB", "12345"),
            ("JP", "100"),
            ("FR", "7500A"),
            ("US", ""),
            ("JM", ""),
            ("US", "１２３４５"),
        ] {
            assert!(postal_code(country, given).is_err(), "{country} {given}");
        }
        assert_eq!(
            postal_code("US", "12").unwrap_err(),
            "is no postal code of US, which look like 12345 or 12345-6789"
        );
        assert!(postal_code("JM", &"1".repeat(17)).is_err());
    }

    #[test]
    fn every_country_of_the_table_is_one_and_stands_once() {
        let listed = FORMS
            .iter()
            .flat_map(|(_, countries)| countries.split(' '))
            .chain(WITHOUT.iter().copied());
        let mut seen = std::collections::HashSet::new();
        for country in listed {
            assert_eq!(crate::country_code(country), Some(country));
            assert!(seen.insert(country), "{country} stands twice");
        }
    }
}
