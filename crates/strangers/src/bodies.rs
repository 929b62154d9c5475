//! Bodies of every kind of write.

use api::{Nothing, cart, catalog, identity, orders, payments};

/// The first byte says as what the rest is read. What is wrong with it is said in at least one place.
pub(crate) fn body(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    macro_rules! read {
        ($($kind:ty)*) => {{
            let readers: &[fn(&str) -> Result<(), wire::Problem>] =
                &[$(|text| serve::parse::<$kind>(text).map(drop)),*];
            readers[usize::from(*kind) % readers.len()](text)
        }};
    }
    let read = read! {
        orders::NewOrder orders::SetStatus orders::Cancel cart::Add cart::SetQuantity cart::Remove payments::Process
        payments::NewRefund catalog::NewProduct catalog::ChangeProduct catalog::NewVariant catalog::ChangeVariant
        catalog::ChangeStock catalog::NewCategory catalog::ChangeCategory catalog::Bulk catalog::UndoImport
        identity::Register identity::Login identity::Refresh identity::Logout identity::ChangeUser
        identity::ChangePassword identity::ResetPassword identity::ChangeRole identity::NewKey Nothing
    };
    if let Err(problem) = read {
        assert_eq!(problem.status, 400, "{problem:?}");
        assert!(!problem.detail.is_empty(), "{problem:?}");
    }
}
