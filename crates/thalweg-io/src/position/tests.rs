use std::collections::BTreeSet;
use std::time::Duration;

use pollster::block_on;
use proptest::prelude::*;

use super::rows::{Pending, Rows};
use super::*;

#[test]
fn a_source_waits_for_room_and_ends_when_the_oldest_row_has_failed() {
    let position = Position::new("feed");
    let mut acks: Vec<_> = (0..MAX_IN_FLIGHT)
        .map(|at| position.ack(at.to_string(), Duration::ZERO))
        .collect();
    let mut room = Box::pin(position.room());
    let cx = &mut std::task::Context::from_waker(Waker::noop());
    assert!(room.as_mut().poll(cx).is_pending());
    acks[0].fail();
    acks.remove(0);
    let error = block_on(room).expect_err("the first one will never be done");
    assert_eq!(
        error.to_string(),
        "position `feed`: the element at \"0\" has failed, and 65535 behind it have been read; start again to have it \
         tried again, or give the node that fails a policy, such as skip"
    );
    assert_eq!(position.value(), None);
}

#[test]
fn row_counts_are_encoded_compactly() {
    let (mut rows, mut pending) = (Rows::default(), Pending::default());
    for number in 1..=5000 {
        assert!(rows.is_new(number, &mut pending));
    }
    assert!(rows.is_new(7, &mut pending));
    rows.commit(&pending, 2);
    assert_eq!(rows.to_text(), "4x1,1x2,4993x1,");
    assert_eq!(Rows::from_text(2, "4x1,oops"), None);
}

proptest! {
    /// Elements end in any order; some never do.
    #[test]
    fn the_watermark_is_before_the_first_unfinished_row(
        ends in prop::collection::vec((0..30_u64, any::<bool>()), 0..60),
        elements in 0..30_u64,
    ) {
        let mut watermark = Watermark::new();
        for at in 1..=elements {
            let now = Duration::from_secs(at);
            prop_assert_eq!(watermark.begin(at.to_string(), now), at);
        }
        let mut open: BTreeSet<u64> = (1..=elements).collect();
        for (number, is_done) in ends {
            if !is_done {
                watermark.failed(number);
            } else {
                watermark.done(number);
                open.remove(&number);
            }
            let done = open.first().map_or(elements, |first| first - 1);
            prop_assert_eq!(watermark.number(), done);
            prop_assert_eq!(watermark.value().cloned(), (done > 0).then(|| done.to_string()));
            let oldest = open.first().map(|first| (first.to_string(), Duration::from_secs(*first)));
            prop_assert_eq!(watermark.oldest().map(|(value, at)| (value.to_string(), at)), oldest);
        }
    }

    /// A pipeline is killed repeatedly. Each element makes some rows, which are written in batches and acknowledged
    /// in any order; the stored rows are those a transaction would contain.
    #[test]
    fn every_row_is_written_once_in_spite_of_kills(
        rows_of in prop::collection::vec(0..4_u32, 1..20),
        runs in prop::collection::vec((0..25_usize, 1..6_usize, any::<u64>()), 0..6),
    ) {
        let last = (usize::MAX, 3, 0);
        let (mut stored, mut table) = ((0, String::new()), Vec::new());
        for (batches, len, mut chance) in runs.into_iter().chain([last]) {
            let mut rows = Rows::from_text(stored.0, &stored.1).expect("it was stored");
            let mut watermark = Watermark::behind(stored.0, None);
            let first = usize::try_from(stored.0).expect("few");
            let (mut coming, mut left) = (Vec::new(), Vec::new());
            for (at, count) in rows_of.iter().enumerate().skip(first) {
                let number = watermark.begin(String::new(), Duration::ZERO);
                prop_assert_eq!(number, at as u64 + 1);
                coming.extend((0..*count).map(|row| (number, row)));
                left.push(*count);
                if *count == 0 {
                    watermark.done(number);
                }
            }
            // Elements overtake one another, but the rows of one keep their order.
            for at in 1..coming.len() {
                chance = chance.rotate_left(7).wrapping_mul(31);
                if chance % 2 == 0 && coming[at - 1].0 != coming[at].0 {
                    coming.swap(at - 1, at);
                }
            }
            for batch in coming.chunks(len).take(batches) {
                let mut pending = Pending::default();
                for row in batch {
                    if rows.is_new(row.0, &mut pending) {
                        table.push(*row);
                    }
                }
                rows.commit(&pending, watermark.number());
                stored = (watermark.number(), rows.to_text());
                for (number, _) in batch {
                    let left = &mut left[usize::try_from(*number).expect("few") - 1 - first];
                    *left -= 1;
                    if *left == 0 {
                        watermark.done(*number);
                    }
                }
            }
        }
        table.sort_unstable();
        let all = rows_of.iter().zip(1_u64..).flat_map(|(count, number)| (0..*count).map(move |row| (number, row)));
        prop_assert_eq!(table, all.collect::<Vec<_>>());
    }
}
