//! The host is asked before a thread blocks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use thalweg::{Blocking, EventLoop, Stream};

static BLOCKED: AtomicUsize = AtomicUsize::new(0);

fn count(block: Blocking<'_>) {
    BLOCKED.fetch_add(1, Ordering::SeqCst);
    block();
}

/// A single test, because a process has one host.
#[test]
fn the_host_is_notified_only_when_a_thread_blocks() {
    assert!(thalweg::block_around(count));
    let source = Stream::new();
    let (entered, inside) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let mut left = Some(left);
    let list = source
        .map(move |x: i32| {
            if x == 1 {
                entered.send(()).expect("the test waits");
                let _ = left.take().map(|left| left.recv());
            }
            x
        })
        .sink_to_list();
    source.emit(0).wait().expect("nobody is inside");
    assert_eq!(BLOCKED.load(Ordering::SeqCst), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| source.emit(1).wait().expect("the first"));
        inside.recv().expect("it is inside");
        let second = scope.spawn(|| source.emit(2).wait().expect("the second"));
        while BLOCKED.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        leave.send(()).expect("the first waits");
        second.join().expect("it got in");
    });
    assert_eq!(list.to_vec(), [0, 1, 2]);
    assert_eq!(BLOCKED.load(Ordering::SeqCst), 1);

    let slow = Stream::on(EventLoop::thread());
    slow.rate_limit("1ms").sink(drop);
    slow.emit(1).wait().expect("the first passes");
    slow.emit(2).wait().expect("the second waits for its time");
    assert_eq!(BLOCKED.load(Ordering::SeqCst), 2);
}
