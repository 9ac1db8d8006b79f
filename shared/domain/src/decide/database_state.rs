//! Who may write where, and which change may follow which. Each is one conditional write: of two that exclude each other
//! one is written, and the other one learns it.

use crate::record::DatabaseState;

/// Whether a state may follow another. Before the switch is on record the way leads back to an open source; after it
/// there is none but forward, or the mirrored cutover of a rollback.
pub fn may_follow(from: DatabaseState, to: DatabaseState) -> bool {
    use DatabaseState::{Frozen, OnSource, OnTarget, ReturnFrozen, Returning, Switching, Unfreezing};
    matches!(
        (from, to),
        (OnSource, Frozen)
            | (Frozen, Unfreezing)
            | (Unfreezing, OnSource)
            | (Frozen, Switching)
            | (Switching, OnTarget)
            | (Switching | OnTarget, ReturnFrozen)
            | (ReturnFrozen, Returning)
            | (Returning, OnSource)
    ) || from == to
}

/// True once the switch is on record and not taken back.
pub fn is_switched(state: DatabaseState) -> bool {
    matches!(
        state,
        DatabaseState::Switching | DatabaseState::OnTarget | DatabaseState::ReturnFrozen | DatabaseState::Returning
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use DatabaseState::{Frozen, OnSource, OnTarget, Returning, Switching, Unfreezing};

    #[test]
    fn a_source_that_is_being_opened_is_never_switched_and_a_switched_one_never_just_opened() {
        assert!(!may_follow(Unfreezing, Switching));
        assert!(!may_follow(Switching, Unfreezing));
        assert!(!may_follow(OnTarget, OnSource));
        assert!(!may_follow(OnSource, Switching));
        assert!(may_follow(Frozen, Switching) && may_follow(Frozen, Unfreezing));
        assert!(is_switched(Switching) && is_switched(Returning) && !is_switched(Frozen));
    }
}
