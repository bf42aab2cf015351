use super::*;

#[test]
fn a_closed_monitor_hands_its_mail_on() {
    let (old, heir) = (Monitor::new(), Monitor::new());
    assert_eq!(old.try_enter(4), Entry::Entered);
    assert_eq!(heir.try_enter(4), Entry::Entered);
    assert_eq!(old.post(8, 1), Posted::Left);
    assert_eq!(heir.post(8, 0), Posted::Left);
    old.close(4, &heir, || ());
    assert_eq!(old.post(8, 2), Posted::Closed(2));
    assert_eq!(old.leave(4), None);
    assert_eq!(heir.leave(4), Some(VecDeque::from([0, 1])));
}

#[test]
fn pending_mail_keeps_the_leaving_thread_inside() {
    let monitor = Monitor::new();
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert_eq!(monitor.try_enter(4), Entry::Within);
    assert_eq!(monitor.try_enter(8), Entry::Occupied);
    assert_eq!(monitor.post(8, "a letter"), Posted::Left);
    assert_eq!(monitor.leave(4), Some(VecDeque::from(["a letter"])));
    assert_eq!(monitor.try_enter(8), Entry::Occupied);
    assert_eq!(monitor.leave(4), None);
    assert_eq!(monitor.post(8, "nobody in"), Posted::Entered("nobody in"));
    assert_eq!(monitor.leave(8), None);
    assert_eq!(monitor.try_enter(4), Entry::Entered);
}

#[test]
fn mail_to_oneself_outlives_the_bias() {
    let monitor = Monitor::new();
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert_eq!(monitor.post(4, "to myself"), Posted::Left);
    assert_eq!(monitor.leave(4), Some(VecDeque::from(["to myself"])));
    assert_eq!(monitor.post(8, "from another"), Posted::Left);
    assert_eq!(monitor.try_enter(4), Entry::Within);
    assert_eq!(monitor.post(4, "late"), Posted::Left);
    assert_eq!(
        monitor.leave(4),
        Some(VecDeque::from(["from another", "late"]))
    );
    assert_eq!(monitor.leave(4), None);
    assert_eq!(monitor.try_enter(8), Entry::Entered);
    assert_eq!(monitor.try_enter(4), Entry::Occupied);
    assert_eq!(monitor.leave(8), None);
}

#[test]
fn the_owner_of_the_bias_takes_it_back_after_a_visit() {
    let monitor = Monitor::new();
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert_eq!(monitor.post_as_visitor(8, "while inside"), Posted::Left);
    assert_eq!(
        monitor.leave(4),
        Some(VecDeque::from(["while inside"])),
        "the thread inside runs a visitor's mail"
    );
    assert_eq!(monitor.leave(4), None);
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert!(is_biased_to(&monitor, 4));
    assert_eq!(monitor.try_enter(4), Entry::Within);
    assert_eq!(monitor.leave(4), None);
    assert_eq!(
        monitor.post_as_visitor(8, "nobody in"),
        Posted::Entered("nobody in")
    );
    assert_eq!(
        monitor.try_enter(4),
        Entry::Occupied,
        "the visitor is inside"
    );
    assert_eq!(monitor.leave(8), None);
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert!(is_biased_to(&monitor, 4));
    assert_eq!(monitor.leave(4), None);
}

#[test]
fn another_emitter_revokes_a_lent_bias() {
    let monitor = Monitor::new();
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert_eq!(monitor.leave(4), None);
    assert_eq!(monitor.post_as_visitor(8, ()), Posted::Entered(()));
    assert_eq!(monitor.leave(8), None);
    assert_eq!(monitor.try_enter(8), Entry::Entered);
    assert_eq!(monitor.leave(8), None);
    for me in [4, 8] {
        assert_eq!(monitor.try_enter(me), Entry::Entered);
        assert!(is_biased_to(&monitor, REVOKED));
        assert_eq!(monitor.leave(me), None);
    }
}

fn is_biased_to<M>(monitor: &Monitor<M>, owner: usize) -> bool {
    monitor.bias.load(Ordering::Relaxed) == owner
}

#[test]
fn try_inspect_needs_a_free_monitor() {
    let monitor = Monitor::<()>::new();
    assert!(monitor.try_inspect(4).is_some(), "nobody has emitted yet");
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert!(monitor.try_inspect(4).is_none() && monitor.try_inspect(8).is_none());
    assert_eq!(monitor.leave(4), None);
    for _ in 0..2 {
        for me in [4, 8] {
            assert!(monitor.try_inspect(me).is_some());
        }
    }
    assert_eq!(monitor.try_enter(4), Entry::Entered);
    assert_eq!(monitor.post(8, ()), Posted::Left);
    assert!(monitor.try_inspect(4).is_none());
}

#[test]
fn try_inspect_passes_a_waiting_thread_that_has_not_entered() {
    let monitor = Monitor::<()>::new();
    monitor.reserve(4, None);
    assert!(monitor.try_inspect(8).is_some());
    assert_eq!(monitor.try_enter(8), Entry::Occupied);
    lock(&monitor.slow).reserved = false;
    assert!(monitor.try_inspect(8).is_none());
    assert_eq!(monitor.leave(4), None);
    assert!(monitor.try_inspect(8).is_some());
}
