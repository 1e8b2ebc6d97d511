//! How many requests may run at once where there is no priority and fairness (apiserver pkg/server/filters/maxinflight.go).

use crate::user::User;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Those that read and those that write, each with a limit of its own or none.
pub(super) struct InFlight {
    reading: Option<Arc<Semaphore>>,
    mutating: Option<Arc<Semaphore>>,
}

impl InFlight {
    /// A limit of 0 is none.
    pub(super) fn new(reading: usize, mutating: usize) -> Self {
        let limit = |most: usize| {
            let most = most.min(Semaphore::MAX_PERMITS);
            (most > 0).then(|| Arc::new(Semaphore::new(most)))
        };
        InFlight {
            reading: limit(reading),
            mutating: limit(mutating),
        }
    }

    /// What to hold while the request runs; Err where there are too many. Administrators are never too many.
    pub(super) fn enter(
        &self,
        user: &User,
        verb: &str,
    ) -> Result<Option<OwnedSemaphorePermit>, ()> {
        let limit = match verb {
            "get" | "list" | "watch" => &self.reading,
            _ => &self.mutating,
        };
        let Some(limit) = limit else {
            return Ok(None);
        };
        match limit.clone().try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(_) if user.in_group(crate::user::MASTERS) => Ok(None),
            Err(_) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_writing_are_limited_apart() {
        let all = InFlight::new(2, 1);
        let user = User::default();
        let admin = User {
            groups: vec![crate::user::MASTERS.to_owned()],
            ..User::default()
        };
        let mut held: Vec<_> = ["get", "list", "create"]
            .map(|verb| all.enter(&user, verb).expect("a place"))
            .into();
        assert!(held.iter().all(Option::is_some));
        for verb in ["get", "watch", "delete", "deletecollection", "post"] {
            assert!(all.enter(&user, verb).is_err(), "{verb}");
            assert!(all.enter(&admin, verb).is_ok(), "{verb}");
        }
        held.pop();
        assert!(all.enter(&user, "patch").is_ok() && all.enter(&user, "get").is_err());
        let unlimited = InFlight::new(0, 0);
        assert!(
            unlimited
                .enter(&user, "get")
                .is_ok_and(|held| held.is_none())
        );
    }
}
