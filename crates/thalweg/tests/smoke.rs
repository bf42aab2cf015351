use std::time::Duration;
use thalweg::*;

#[test]
fn async_sink_on_clock() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let c = clock.clone();
    let out = std::sync::Arc::new(std::sync::Mutex::new(vec![]));
    let o = out.clone();
    source
        .map(|x: i32| x + 1)
        .rate_limit("500ms")
        .sink_async(move |x| {
            let (c, o) = (c.clone(), o.clone());
            async move {
                c.sleep(Duration::from_millis(200)).await;
                o.lock().unwrap().push((x, c.now()));
            }
        });
    clock.block_on(async {
        for x in 0..10 {
            source.emit(x).await.unwrap();
        }
        source.drain("5s").await.unwrap();
    });
    assert_eq!(out.lock().unwrap().len(), 10);
    assert_eq!(out.lock().unwrap()[9], (10, Duration::from_millis(4700)));
}

#[test]
fn threads_emitting_into_each_other() {
    let (a, b) = (Stream::new(), Stream::new());
    let (na, nb) = (
        std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)),
        std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)),
    );
    {
        let b = b.clone();
        let na = na.clone();
        a.sink(move |(x, hop): (u64, bool)| {
            na.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if hop {
                b.emit((x, false)).wait().unwrap()
            }
        });
    }
    {
        let a = a.clone();
        let nb = nb.clone();
        b.sink(move |(x, hop): (u64, bool)| {
            nb.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if hop {
                a.emit((x, false)).wait().unwrap()
            }
        });
    }
    std::thread::scope(|s| {
        s.spawn(|| {
            for x in 0..100_000 {
                a.emit((x, true)).wait().unwrap()
            }
        });
        s.spawn(|| {
            for x in 0..100_000 {
                b.emit((x, true)).wait().unwrap()
            }
        });
    });
    assert_eq!(
        (
            na.load(std::sync::atomic::Ordering::Relaxed),
            nb.load(std::sync::atomic::Ordering::Relaxed)
        ),
        (200_000, 200_000)
    );
}

#[test]
fn feedback() {
    let numbers = Stream::new();
    let count = numbers.map(|x: u64| x).sink_to_list();
    numbers
        .filter(|x| *x > 0)
        .map(|x| x - 1)
        .connect(&numbers)
        .unwrap();
    numbers.emit(1_000_000).wait().unwrap();
    assert_eq!(count.len(), 1_000_001);
}

#[test]
fn panic_is_failure() {
    let s = Stream::new();
    let l = s
        .map(|x: i32| {
            if x == 3 {
                panic!("three")
            }
            x
        })
        .sink_to_list();
    let l2 = s
        .map(|x: i32| {
            if x == 3 {
                panic!("three")
            }
            x
        })
        .on_error(OnError::Skip)
        .sink_to_list();
    for x in 0..6 {
        let r = s.emit(x).wait();
        assert_eq!(r.is_err(), x == 3, "{r:?}");
        if let Err(e) = r {
            eprintln!("{e}");
        }
    }
    assert_eq!(l.to_vec(), [0, 1, 2, 4, 5]);
    assert_eq!(l2.to_vec(), [0, 1, 2, 4, 5]);
    eprintln!("{}", s.graph_view().to_mermaid());
}
#[test]
fn freed() {
    struct D(std::sync::Arc<std::sync::atomic::AtomicUsize>);
    impl Drop for D {
        fn drop(&mut self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let n = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for _ in 0..100 {
        let d = D(n.clone());
        let s = Stream::new();
        let back = s.map(move |x: i32| {
            let _ = &d;
            x
        });
        back.connect(&s).unwrap();
        back.sink(drop);
    }
    assert_eq!(n.load(std::sync::atomic::Ordering::Relaxed), 100);
}
