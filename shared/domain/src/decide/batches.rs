//! Cutting a wave into batches.

use crate::ids::SourceServerId;

/// Servers that go through MGN in one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number in the wave, from 1.
    pub number: u32,
    /// The move group it belongs to.
    pub move_group: String,
    /// Its servers.
    pub servers: Vec<SourceServerId>,
}

/// Cuts each move group into batches of at most `size` servers, in the order of the plan. A batch never spans two
/// groups, because a group is switched when all of its batches are launched.
pub fn cut_batches(groups: &[(String, Vec<SourceServerId>)], size: u32) -> Vec<Batch> {
    let size = usize::try_from(size.max(1)).expect("a batch size fits into usize");
    let mut batches = Vec::new();
    for (name, servers) in groups {
        for chunk in servers.chunks(size) {
            let number = u32::try_from(batches.len() + 1).expect("a wave has at most 1,000 batches");
            batches.push(Batch {
                number,
                move_group: name.clone(),
                servers: chunk.to_vec(),
            });
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_never_spans_two_move_groups() {
        let id = |n: u32| SourceServerId::parse(format!("s-{n:017}")).unwrap();
        let groups = vec![
            ("a".to_owned(), vec![id(1), id(2), id(3)]),
            ("b".to_owned(), vec![id(4)]),
        ];
        let cut: Vec<(u32, String, usize)> = cut_batches(&groups, 2)
            .into_iter()
            .map(|batch| (batch.number, batch.move_group, batch.servers.len()))
            .collect();
        assert_eq!(cut, vec![(1, "a".into(), 2), (2, "a".into(), 1), (3, "b".into(), 1)]);
    }
}
