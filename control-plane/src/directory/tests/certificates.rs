//! Certificates against the registry, and what becomes of a seat that loses its own.

use ringhub_core::auth::{CertificateChain, CertificateRefused};

use super::*;
use crate::credentials::Thumbprints;
use crate::tests::certificate::Made;

fn thumbprints(primary: &str, secondary: Option<&str>) -> Credentials {
    let pair = Thumbprints { primary: primary.into(), secondary: secondary.map(Into::into) };
    Credentials::Thumbprints(Box::new(pair))
}

fn put(directory: &Directory, name: &str, credentials: Credentials) -> Vec<Cut> {
    directory.put_device(HUB, &id(name), Status::Enabled, record(7, credentials))
}

fn judge(
    directory: &Directory,
    name: IdentityRef<'_>,
    certificate: Option<&CertificateChain>,
    token: Option<&str>,
) -> Result<AuthScope, AuthFailure> {
    let credential = Credential { token, certificate };
    directory.authenticate(HUB, name, credential, NOW).map(|grant| grant.scope)
}

#[test]
fn the_kind_in_the_registry_decides_which_credential_counts() {
    use AuthFailure as No;
    let directory = directory();
    let ca = Made::authority("factory");
    let (one, two) = (Made::leaf("t", None), Made::leaf("t", None));
    let sha256 = two.thumbprint(&aws_lc_rs::digest::SHA256).to_lowercase();
    put(&directory, "t", thumbprints(&one.sha1(), Some(&two.sha1().to_lowercase())));
    put(&directory, "t256", thumbprints(&sha256, None));
    let issued = Made::leaf("x", Some(&ca));
    let misnamed = Made::leaf("X", Some(&ca));
    let module = Made::leaf("x/m", Some(&ca));
    directory.put_module(HUB, &id("x"), &module_id(), record(8, Credentials::CertificateAuthority));
    directory.set_authorities(HUB, vec![ca.parsed(), Made::authority("other").parsed()]);

    let device = |device| IdentityRef { device, module: None };
    let x_module = IdentityRef { device: "x", module: Some("m") };
    let device_token = sign("hub.example.net/devices/d", &DEVICE_KEY, EXPIRY, None);
    let policy_token = sign("hub.example.net", &POLICY_KEY, EXPIRY, Some("device"));
    let refused = |why| Err(No::Certificate(why));
    let (thumbprint, authority) = (AuthScope::X509Thumbprint, AuthScope::X509CertificateAuthority);
    for (says, name, made, token, expected) in [
        ("primary", device("t"), Some(&one), None, Ok(thumbprint)),
        ("secondary", device("t"), Some(&two), None, Ok(thumbprint)),
        ("SHA-256", device("t256"), Some(&two), None, Ok(thumbprint)),
        ("another", device("t256"), Some(&one), None, refused(CertificateRefused::Thumbprint)),
        ("nothing", device("t"), None, None, Err(No::NoCertificate)),
        ("a token", device("t"), None, Some(&device_token), Err(No::Scope)),
        ("a token beside", device("t"), Some(&one), Some(&device_token), Ok(thumbprint)),
        ("a policy", device("t"), None, Some(&policy_token), Ok(AuthScope::Hub)),
        ("issued", device("x"), Some(&issued), None, Ok(authority)),
        ("a module", x_module, Some(&module), None, Ok(authority)),
        ("its device", x_module, Some(&issued), None, refused(CertificateRefused::CommonName)),
        ("case", device("x"), Some(&misnamed), None, refused(CertificateRefused::CommonName)),
        ("keys", DEVICE, Some(&one), None, Err(No::NoToken)),
        ("keys beside", DEVICE, Some(&one), Some(&device_token), Ok(AuthScope::Device)),
    ] {
        let chain = made.map(Made::chain);
        let verdict = judge(&directory, name, chain.as_deref(), token.map(String::as_str));
        assert_eq!(verdict, expected, "{says}");
    }
    let stranger = Made::leaf("x", Some(&Made::authority("factory")));
    assert!(judge(&directory, device("x"), Some(&stranger.chain()), None).is_err());
}

#[test]
fn a_module_may_use_the_keys_of_its_device_in_a_token_that_names_it() {
    let directory = directory();
    let judge = |resource: &str, key: [u8; 32]| {
        let token = sign(resource, &key, EXPIRY, None);
        judge(&directory, MODULE, None, Some(&token))
    };
    assert_eq!(judge("localhost/devices/d/modules/m", DEVICE_KEY), Ok(AuthScope::Device));
    assert!(judge("localhost/devices/d", DEVICE_KEY).is_err(), "that is the device's own");
    assert!(judge("localhost/devices/d/modules/n", DEVICE_KEY).is_err());
    let inherits = record(2, Credentials::None);
    directory.put_module(HUB, &id("d"), &module_id(), inherits);
    assert_eq!(judge("localhost/devices/d/modules/m", DEVICE_KEY), Ok(AuthScope::Device));
    assert!(judge("localhost/devices/d/modules/m", MODULE_KEY).is_err());
    let one = Made::leaf("d/m", None);
    let by_certificate = record(2, thumbprints(&one.sha1(), None));
    directory.put_module(HUB, &id("d"), &module_id(), by_certificate);
    let refused = judge("localhost/devices/d/modules/m", DEVICE_KEY);
    assert_eq!(refused, Err(AuthFailure::NoKeys), "its own kind decides");
}

#[test]
fn a_device_may_use_its_own_modules_and_nobody_elses() {
    let directory = directory();
    let path = [Segment::Literal("devices"), Segment::Id("d"), Segment::Literal("modules")];
    let access = Access::ModulesOf("d", &path, Permissions::REGISTRY_WRITE);
    let admit = |resource: &str, key: &[u8], policy| {
        let token = sign(resource, key, EXPIRY, policy);
        directory.admit(HUB, access, &token, NOW)
    };
    let own = admit("localhost/devices/d", &DEVICE_KEY, None);
    assert!(matches!(own, Ok(Principal::Identity(_))), "{own:?}");
    let policy = admit("localhost", &POLICY_KEY, Some("registryReadWrite"));
    assert!(matches!(policy, Ok(Principal::BackEnd(_))), "{policy:?}");
    for (resource, key, policy) in [
        ("localhost/devices/e", DEVICE_KEY, None),
        ("localhost/devices/d/modules/m", DEVICE_KEY, None),
        ("localhost/devices/d/modules/m", MODULE_KEY, None),
        ("localhost", POLICY_KEY, Some("device")),
        ("localhost", POLICY_KEY, Some("registryRead")),
    ] {
        assert!(admit(resource, &key, policy).is_err(), "{resource} {policy:?}");
    }
}

/// A seat of `name`, admitted by `made`.
fn seated(directory: &Directory, name: &str, made: &Made, number: u32) -> Grant {
    let chain = made.chain();
    let credential = Credential { token: None, certificate: Some(&chain) };
    let name = IdentityRef { device: name, module: None };
    let grant = directory.authenticate(HUB, name, credential, NOW).expect("it counts");
    directory.reserve(&grant, seat(number), NOW).expect("it is there");
    grant
}

#[test]
fn a_seat_ends_when_its_thumbprint_goes_and_stays_when_it_only_moves() {
    let directory = directory();
    let (one, two) = (Made::leaf("t", None), Made::leaf("t", None));
    let (first, second) = (one.sha1(), two.sha1());
    put(&directory, "t", thumbprints(&first, None));
    let grant = seated(&directory, "t", &one, 1);
    assert_eq!(put(&directory, "t", thumbprints(&first, Some(&second))), []);
    assert_eq!(put(&directory, "t", thumbprints(&second, Some(&first.to_lowercase()))), []);
    let cuts = put(&directory, "t", thumbprints(&second, None));
    let reasons: Vec<_> = cuts.iter().map(|cut| (cut.seat, cut.reason)).collect();
    assert_eq!(reasons, [(seat(1), CutReason::CertificateRemoved)]);
    let late = directory.reserve(&grant, seat(2), NOW);
    assert_eq!(late, Err(AuthFailure::Replaced), "it was judged by the credentials of before");

    directory.release(&grant, seat(1), None, NOW);
    seated(&directory, "t", &two, 3);
    let cuts = put(&directory, "t", keys(DEVICE_KEY));
    assert_eq!(cuts.len(), 1, "another kind of credential");
}

#[test]
fn seats_end_with_the_authority_that_admitted_them() {
    let directory = directory();
    let (ca, other) = (Made::authority("factory"), Made::authority("other"));
    for name in ["a", "b"] {
        put(&directory, name, Credentials::CertificateAuthority);
    }
    directory.set_authorities(HUB, vec![ca.parsed(), other.parsed()]);
    let grant = seated(&directory, "a", &Made::leaf("a", Some(&ca)), 1);
    seated(&directory, "b", &Made::leaf("b", Some(&other)), 2);
    assert_eq!(directory.set_authorities(HUB, vec![other.parsed(), ca.parsed()]), []);
    let cuts = directory.set_authorities(HUB, vec![other.parsed()]);
    assert_eq!(cuts.iter().map(|cut| cut.seat).collect::<Vec<_>>(), [seat(1)]);
    let late = directory.reserve(&grant, seat(3), NOW);
    assert_eq!(late, Err(AuthFailure::Replaced), "judged before the authority went");
    assert_eq!(directory.set_authorities(HUB, vec![ca.parsed(), other.parsed()]), []);
    let late = directory.reserve(&grant, seat(3), NOW);
    assert_eq!(late, Err(AuthFailure::Replaced), "it is another one, with another number");
}
