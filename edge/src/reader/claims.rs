//! What the client of a connection has proved that it may do.

use ringhub_core::auth::{Permissions, Scope, Segment};
use ringhub_core::id::HubId;
use ringhub_core::limits::{AMQP_CLAIMS_MAX, SAS_CLOCK_SKEW};
use ringhub_core::time::UnixMillis;

/// A right on everything below a resource, up to a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Hub of the resource.
    pub(crate) hub: HubId,
    /// The resource; its host is one of the hub's names.
    pub(crate) scope: Scope<'static>,
    /// What may be done there.
    pub(crate) permissions: Permissions,
    /// When the token expires, without clock skew.
    pub(crate) expires: UnixMillis,
    /// The token; it admits devices too if the policy may connect them. A key alone does not.
    pub(crate) token: Option<Box<str>>,
}

/// The moment from which on a token, or certificate, that expires at `expires` proves nothing.
pub(crate) fn end_of(expires: UnixMillis) -> UnixMillis {
    let skew = i64::try_from(SAS_CLOCK_SKEW.as_millis()).unwrap_or(i64::MAX);
    UnixMillis::from_millis(expires.as_millis().saturating_add(skew))
}

impl Claim {
    fn is_expired(&self, now: UnixMillis) -> bool {
        now >= self.ends()
    }

    fn ends(&self) -> UnixMillis {
        end_of(self.expires)
    }

    fn allows(&self, resource: &[Segment<'_>], needed: Permissions) -> bool {
        self.permissions.allow(needed) && self.scope.covers(resource)
    }
}

/// The connection holds [`AMQP_CLAIMS_MAX`] claims already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyClaims;

/// What [`Claims::remove_expired`] has removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Nothing,
    /// Claims that were put, and might have been renewed.
    Claims,
    /// The login, for which there is no renewal.
    Login,
}

/// The claims of one connection.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// From SASL PLAIN.
    login: Option<Claim>,
    /// From `$cbs`.
    put: Vec<Claim>,
}

impl Claims {
    /// True if nothing was proved.
    pub(crate) fn is_empty(&self) -> bool {
        self.login.is_none() && self.put.is_empty()
    }

    /// Takes the claim of a SASL exchange.
    pub(crate) fn log_in(&mut self, claim: Claim) {
        self.login = Some(claim);
    }

    /// Takes a claim, in the place of an earlier one for the same audience.
    pub(crate) fn put(&mut self, claim: Claim) -> Result<(), TooManyClaims> {
        let same = |other: &&mut Claim| is_same(&other.scope, &claim.scope);
        if let Some(earlier) = self.put.iter_mut().find(same) {
            *earlier = claim;
            return Ok(());
        }
        if self.put.len() >= AMQP_CLAIMS_MAX {
            return Err(TooManyClaims);
        }
        self.put.push(claim);
        Ok(())
    }

    /// Whether `needed` is allowed for `resource` of `hub`.
    pub(crate) fn allow(
        &self,
        hub: HubId,
        resource: &[Segment<'_>],
        needed: Permissions,
        now: UnixMillis,
    ) -> bool {
        self.allowing(hub, resource, needed, now).next().is_some()
    }

    /// A token of a policy by which `needed` is allowed for `resource` of `hub`, if there is one.
    pub(crate) fn token_allowing(
        &self,
        hub: HubId,
        resource: &[Segment<'_>],
        needed: Permissions,
        now: UnixMillis,
    ) -> Option<&str> {
        let mut claims = self.allowing(hub, resource, needed, now);
        claims.find_map(|claim| claim.token.as_deref())
    }

    fn allowing(
        &self,
        hub: HubId,
        resource: &[Segment<'_>],
        needed: Permissions,
        now: UnixMillis,
    ) -> impl Iterator<Item = &Claim> {
        let claims = self.login.iter().chain(&self.put);
        claims.filter(move |claim| {
            claim.hub == hub && claim.allows(resource, needed) && !claim.is_expired(now)
        })
    }

    /// When the first of them ends.
    pub(crate) fn next_end(&self) -> Option<UnixMillis> {
        self.login.iter().chain(&self.put).map(Claim::ends).min()
    }

    /// Forgets what has ended.
    pub(crate) fn remove_expired(&mut self, now: UnixMillis) -> Expired {
        if self.login.take_if(|login| login.is_expired(now)).is_some() {
            return Expired::Login;
        }
        let before = self.put.len();
        self.put.retain(|claim| !claim.is_expired(now));
        if self.put.len() < before { Expired::Claims } else { Expired::Nothing }
    }
}

fn is_same(one: &Scope<'_>, other: &Scope<'_>) -> bool {
    one.host().eq_ignore_ascii_case(other.host()) && one.path().eq(other.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Permissions = Permissions::SERVICE_CONNECT;
    const PARTITION: [Segment<'static>; 5] = [
        Segment::Literal("EH"),
        Segment::Literal("consumergroups"),
        Segment::Literal("$Default"),
        Segment::Literal("Partitions"),
        Segment::Literal("0"),
    ];

    fn claim(audience: &str, permissions: Permissions, expires_ms: i64) -> Claim {
        let scope = Scope::decode(audience).expect("an audience").into_owned();
        let expires = UnixMillis::from_millis(expires_ms);
        Claim { hub: HubId(7), scope, permissions, expires, token: Some("t".into()) }
    }

    #[test]
    fn a_claim_covers_what_lies_below_its_audience() {
        for (audience, permissions, allowed) in [
            ("hub.example", SERVICE, true),
            ("amqps://hub.example:5671/", SERVICE, true),
            ("sb://Hub.Example/eh", SERVICE, true),
            ("sb%3A%2F%2Fhub.example%2Feh%2F", SERVICE, true),
            ("sb://hub/eh/ConsumerGroups/$default/Partitions/0", SERVICE, true),
            ("sb://hub/eh/ConsumerGroups/$default/Partitions/1", SERVICE, false),
            ("sb://hub/eh/$management", SERVICE, false),
            ("sb://hub/e", SERVICE, false),
            ("hub.example", Permissions::DEVICE_CONNECT, false),
        ] {
            let mut claims = Claims::default();
            claims.put(claim(audience, permissions, 1)).expect("the first claim fits");
            let on = |hub| claims.allow(hub, &PARTITION, SERVICE, UnixMillis::EPOCH);
            assert_eq!(on(HubId(7)), allowed, "{audience}");
            assert!(!on(HubId(8)), "{audience} is of another hub");
        }
    }

    #[test]
    fn renewal_replaces_and_expiry_removes() {
        let skew = i64::try_from(SAS_CLOCK_SKEW.as_millis()).expect("some minutes");
        let mut claims = Claims::default();
        claims.put(claim("sb://hub/eh", SERVICE, 1000)).expect("fits");
        claims.put(claim("sb://HUB:5671/eh/", SERVICE, 2000)).expect("fits");
        let end = UnixMillis::from_millis(2000 + skew);
        assert_eq!(claims.next_end(), Some(end), "the later one stands alone");
        assert_eq!(claims.remove_expired(UnixMillis::from_millis(1999 + skew)), Expired::Nothing);
        assert!(!claims.allow(HubId(7), &PARTITION, SERVICE, end));
        assert_eq!(claims.remove_expired(end), Expired::Claims);
        assert!(claims.is_empty());
    }

    #[test]
    fn the_end_of_a_login_is_told_apart() {
        let mut claims = Claims::default();
        claims.log_in(claim("hub", SERVICE, 0));
        assert_eq!(claims.remove_expired(UnixMillis::from_millis(i64::MAX)), Expired::Login);
    }

    #[test]
    fn the_number_of_claims_is_bounded() {
        let mut claims = Claims::default();
        for number in 0..AMQP_CLAIMS_MAX {
            assert_eq!(claims.put(claim(&format!("hub/{number}"), SERVICE, 0)), Ok(()));
        }
        assert_eq!(claims.put(claim("hub/more", SERVICE, 0)), Err(TooManyClaims));
        assert_eq!(claims.put(claim("hub/0", SERVICE, 1)), Ok(()), "a renewal always fits");
    }
}
