//! Who calls: every process has an access key of its own, and the signature of a request names the key.
//!
//! Signatures are not verified: nobody but this machine reaches the socket, and the secrets are no secrets.

use landfall_cloud::Caller;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of whoever has none of our keys: a person with `aws` or boto3.
pub(super) const OPERATOR: &str = "operator";

/// What the signature of a request says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature<'a> {
    /// The access key's id.
    pub key: &'a str,
    /// The service that it is scoped to, as in `states`.
    pub service: &'a str,
}

impl<'a> Signature<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`.
    pub fn read(authorization: &'a str) -> Option<Self> {
        let scope = authorization.split("Credential=").nth(1)?.split(',').next()?;
        let mut parts = scope.split('/');
        let key = parts.next()?;
        let service = parts.nth(2)?;
        Some(Self { key, service })
    }
}

/// Which access key is whose at present. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Identities(Arc<Mutex<BTreeMap<String, Caller>>>);

impl Identities {
    /// From now on the key is this caller's.
    pub fn assume(&self, key: &str, caller: Caller) {
        self.lock().insert(key.to_owned(), caller);
    }

    /// The key is nobody's any more.
    pub fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Whose the key is.
    pub fn caller(&self, key: &str) -> Caller {
        let known = self.lock().get(key).cloned();
        known.unwrap_or_else(|| Caller::new(OPERATOR, 0))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_names_the_key_and_the_service() {
        let header = "AWS4-HMAC-SHA256 Credential=ASIA1/20260307/eu-west-1/states/aws4_request, \
                      SignedHeaders=host, Signature=00";
        let signature = Signature::read(header).expect("it is one");
        assert_eq!((signature.key, signature.service), ("ASIA1", "states"));
        assert_eq!(Signature::read("Bearer something"), None);
    }

    #[test]
    fn a_key_is_its_processs_until_it_is_forgotten() {
        let identities = Identities::default();
        identities.assume("ASIA1", Caller::new("cutover", 7));
        let caller = identities.caller("ASIA1");
        assert_eq!((caller.name.as_str(), caller.invocation), ("cutover", 7));
        identities.forget("ASIA1");
        assert_eq!(identities.caller("ASIA1").name, OPERATOR);
    }
}
