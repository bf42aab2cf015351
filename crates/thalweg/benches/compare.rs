fn main() {
    use futures_util::StreamExt;
    use std::hint::black_box;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::time::Instant;
    use thalweg::Stream;
    let n = 2_000_000u64;
    let (mut a, mut b, mut c, mut d) = (vec![], vec![], vec![], vec![]);
    for _ in 0..7 {
        let total = Arc::new(AtomicU64::new(0));
        let t = total.clone();
        let source = Stream::new();
        let mut s = source.clone();
        for k in 0..10u64 {
            s = s.map(move |x: u64| x.wrapping_add(k));
        }
        s.sink(move |x| t.store(t.load(Relaxed).wrapping_add(x), Relaxed));
        drop(s);
        let source = black_box(source);
        let t = Instant::now();
        for x in 0..n {
            source.emit(x).wait().unwrap();
        }
        a.push(t.elapsed().as_nanos() as f64 / n as f64);
        let t = Instant::now();
        source.emit_many(0..n).wait().unwrap();
        b.push(t.elapsed().as_nanos() as f64 / n as f64);
        assert_eq!(total.load(Relaxed), 2 * (n * (n - 1) / 2 + 45 * n));
        let mut s = futures_util::stream::iter(0..n).boxed();
        for k in 0..10u64 {
            s = s.map(move |x| x.wrapping_add(k)).boxed();
        }
        let s = black_box(s);
        let t = Instant::now();
        let mut acc = 0u64;
        pollster::block_on(s.for_each(|x| {
            acc = acc.wrapping_add(x);
            std::future::ready(())
        }));
        black_box(acc);
        c.push(t.elapsed().as_nanos() as f64 / n as f64);
        let e = Stream::new();
        let e = black_box(e);
        let t = Instant::now();
        for x in 0..n {
            e.emit(x).wait().unwrap();
        }
        d.push(t.elapsed().as_nanos() as f64 / n as f64);
    }
    let med = |v: &mut Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    println!(
        "emit {:.1} many {:.1} boxed {:.1} bare {:.1}",
        med(&mut a),
        med(&mut b),
        med(&mut c),
        med(&mut d)
    );
}
