//! Closures on threads: dependencies, failures and unwanted tasks.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use thalweg_tasks::{Client, Error, Failure, Future, Status, TaskError, block_in_place};

/// Timeout of each wait.
const BOUND: Duration = Duration::from_secs(20);

/// A client whose only thread is blocked.
fn held() -> (Client, mpsc::Sender<()>, Future<()>) {
    let client = Client::threads(1).unwrap();
    let (open, gate) = mpsc::channel();
    let holding = client.submit(move || gate.recv().unwrap());
    (client, open, holding)
}

#[test]
fn as_many_tasks_run_as_there_are_threads() {
    let client = Client::threads(5).unwrap();
    let barrier = Arc::new(Barrier::new(5));
    // The tasks end only if all five run at once.
    let futures = client.map(0..5, move |x| {
        barrier.wait();
        x
    });
    assert_eq!(client.gather(&futures).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn tasks_waiting_for_tasks_do_not_occupy_threads() {
    fn sum_to(client: &Client, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let inner = client.clone();
        let rest = client.submit(move || sum_to(&inner, n - 1));
        n + rest.result().unwrap()
    }
    let client = Client::threads(2).unwrap();
    let inner = client.clone();
    assert_eq!(
        client.submit(move || sum_to(&inner, 30)).result().unwrap(),
        465
    );
}

#[test]
fn block_in_place_lets_other_tasks_run() {
    let client = Client::threads(1).unwrap();
    let inner = client.clone();
    let outer = client.submit(move || {
        let (sender, receiver) = std::sync::mpsc::channel();
        let sent = inner.submit(move || sender.send(6).is_ok());
        // The thread handed over by `block_in_place` also serves the wait inside.
        block_in_place(|| sent.result().unwrap().then(|| receiver.recv().unwrap()))
    });
    assert_eq!(outer.result().unwrap(), Some(6));
}

#[test]
fn a_task_without_a_future_does_not_run() {
    let (client, open, holding) = held();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = |runs: &Arc<AtomicUsize>| {
        let runs = runs.clone();
        move || runs.fetch_add(1, Ordering::Relaxed)
    };
    drop(client.submit(count(&runs)));
    let first = client.submit(count(&runs));
    let second = client.submit_with(&first, |first| first);
    drop(first);
    client.submit(count(&runs)).detach();
    open.send(()).unwrap();
    holding.result().unwrap();
    second.result().unwrap();
    client.submit(|| ()).result().unwrap();
    assert_eq!(
        runs.load(Ordering::Relaxed),
        2,
        "what is needed, and what is detached"
    );
}

#[test]
fn failures_reach_dependents_and_can_be_retried() {
    let client = Client::threads(1).unwrap();
    let mut calls = 0;
    let flaky = client.task().repeat(move || {
        calls += 1;
        if calls > 1 { Ok(calls) } else { Err("not yet") }
    });
    let next = client.submit_with(&flaky, |calls| calls * 10);
    assert_eq!(next.result().unwrap_err().to_string(), "not yet");
    assert_eq!(
        (flaky.status(), next.status()),
        (Status::Error, Status::Error)
    );
    assert!(next.retry(), "and with it what it failed because of");
    // The closure of `next` has not run yet, so it can.
    assert_eq!(next.result().unwrap(), 20);
}

#[test]
fn a_panic_is_an_error_and_its_thread_continues() {
    let client = Client::threads(1).unwrap();
    let panics = client.submit(|| -> u32 { panic!("over {}", 9000) });
    let Err(Error::Task(failure)) = panics.result() else {
        panic!("it should fail")
    };
    assert!(
        matches!(&*failure, Failure::Raised(TaskError::Panicked(message)) if message == "over 9000")
    );
    assert_eq!(client.submit(|| 1).result().unwrap(), 1);
}

#[test]
fn cancelling_includes_dependents() {
    let (client, open, holding) = held();
    let first = client.submit(|| 1);
    let second = client.submit_with(&first, |x| x + 1);
    assert!(first.cancel());
    assert!(!first.cancel(), "once");
    assert!(first.is_cancelled() && second.is_cancelled());
    open.send(()).unwrap();
    holding.result().unwrap();
    assert!(first.kill().is_ok_and(|was_to_be_done| !was_to_be_done));
}

#[test]
fn a_thread_cannot_be_killed() {
    let (client, open, holding) = held();
    let (began, begun) = mpsc::channel();
    open.send(()).unwrap();
    holding.result().unwrap();
    let running = client.submit(move || {
        began.send(()).unwrap();
        while !thalweg_tasks::token().is_cancelled() {
            std::thread::yield_now();
        }
    });
    begun.recv().unwrap();
    assert!(
        running
            .kill()
            .unwrap_err()
            .to_string()
            .contains("cannot be killed")
    );
    assert!(running.is_cancelled());
}

#[test]
fn higher_priorities_run_first() {
    let (client, open, holding) = held();
    let (seen, order) = mpsc::channel();
    let futures: Vec<_> = [0.0, -1.0, 5.0, 0.0, 10.0]
        .into_iter()
        .map(|priority| {
            let seen = seen.clone();
            client
                .task()
                .priority(priority)
                .submit(move || seen.send(priority).unwrap())
        })
        .collect();
    open.send(()).unwrap();
    holding.result().unwrap();
    client.gather(&futures).unwrap();
    assert_eq!(
        order.try_iter().collect::<Vec<_>>(),
        [10.0, 5.0, 0.0, 0.0, -1.0]
    );
}

#[test]
fn a_closed_client_refuses_tasks() {
    let (client, open, _holding) = held();
    let waiting = client.submit(|| 1);
    open.send(()).unwrap();
    client.close();
    let late = client.submit(|| 2);
    for future in [waiting, late] {
        match future.result() {
            Ok(1) => {}
            Err(Error::Task(failure)) => assert!(matches!(*failure, Failure::Closed)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn futures_are_awaited() {
    let client = Client::threads(2).unwrap();
    let futures = client.map(0..100, |x| x * 2);
    for (x, future) in futures.into_iter().enumerate() {
        assert_eq!(future.await.unwrap(), 2 * x);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Each task adds its number to the sum of some earlier tasks; some fail.
    #[test]
    fn random_graphs_match_plain_execution(
        tasks in prop::collection::vec((prop::collection::vec(0..1_000_usize, 0..4), 0..20_u8), 1..200),
        threads in 1..4_usize,
    ) {
        let client = Client::threads(threads).unwrap();
        let mut futures: Vec<Future<u64>> = Vec::new();
        let mut plain: Vec<Option<u64>> = Vec::new();
        for (number, (needs, luck)) in tasks.into_iter().enumerate() {
            let needs: Vec<_> = needs.into_iter().filter_map(|need| need.checked_rem(number)).collect();
            let number = number as u64;
            let inputs: Vec<_> = needs.iter().map(|need| futures[*need].clone()).collect();
            futures.push(client.try_submit_with(inputs, move |values| {
                if luck == 0 { Err("bad luck") } else { Ok(number + values.iter().sum::<u64>() % 10_007) }
            }));
            let values: Option<Vec<u64>> = needs.iter().map(|need| plain[*need]).collect();
            let sum = values.map(|values| number + values.iter().sum::<u64>() % 10_007);
            plain.push(sum.filter(|_| luck > 0));
        }
        let results: Vec<_> = futures.iter().map(|future| future.result().ok()).collect();
        prop_assert_eq!(results, plain);
    }
}

#[test]
fn a_panicking_callback_does_not_affect_tasks() {
    let client = Client::threads(1).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let task = client.submit(move || gate.recv().is_err());
    task.when_done(|| std::panic::resume_unwind(Box::new("a callback")));
    let (sender, called) = mpsc::channel();
    task.when_done(move || sender.send(()).unwrap());
    drop(open);
    assert_eq!(called.recv_timeout(BOUND), Ok(()));
    let next = client.submit(|| 3).result_within(BOUND);
    assert!(matches!(next, Ok(3)), "{next:?}");
}

#[test]
fn callbacks_wait_for_tasks_and_for_one_another() {
    let client = Client::threads(1).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let task = client.submit(move || gate.recv().is_err());
    let (second, called) = mpsc::channel();
    let (sender, waited) = mpsc::channel();
    let other = client.clone();
    task.when_done(move || {
        // The second callback runs after this one, and the task needs the client's only thread.
        let heard = called.recv_timeout(BOUND).is_ok();
        let next = other.submit(|| 3).result_within(BOUND).ok();
        sender.send((heard, next)).unwrap();
    });
    task.when_done(move || second.send(()).unwrap());
    drop(open);
    assert_eq!(waited.recv_timeout(2 * BOUND), Ok((true, Some(3))));
}

#[test]
fn close_waits_for_callbacks() {
    let client = Client::threads(1).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let task = client.submit(move || gate.recv().is_err());
    let (sender, called) = mpsc::channel();
    task.when_done(move || sender.send(()).unwrap());
    drop(open);
    client.close();
    assert_eq!(called.try_recv(), Ok(()));
}

#[test]
fn gather_fails_with_the_first_failure() {
    let client = Client::threads(2).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let endless = client.submit(move || {
        let _ = gate.recv();
    });
    let fails = client.try_submit(|| Err::<(), _>("no"));
    let (sender, gathered) = mpsc::channel();
    let (same, futures) = (client.clone(), [endless, fails]);
    let gathering = std::thread::spawn(move || sender.send(same.gather(&futures)));
    let error = gathered.recv_timeout(BOUND).unwrap();
    assert!(
        matches!(&error, Err(Error::Task(failure)) if matches!(**failure, Failure::Raised(_))),
        "{error:?}"
    );
    drop(open);
    gathering.join().unwrap().unwrap();
}

#[test]
fn threads_are_started_on_demand() {
    const TASKS: usize = 200;
    let client = Client::threads(100_000).unwrap();
    let all = Arc::new(Barrier::new(TASKS));
    for _ in 0..2 {
        let tasks: Vec<_> = (0..TASKS)
            .map(|number| {
                let all = all.clone();
                client.submit(move || {
                    // Passes only if all run at the same time.
                    all.wait();
                    number
                })
            })
            .collect();
        let numbers: Vec<_> = tasks.iter().map(|task| task.result().unwrap()).collect();
        assert_eq!(numbers, Vec::from_iter(0..TASKS));
    }
}

/// Panics when it is dropped, and says so.
struct Grenade(mpsc::Sender<()>);

impl Drop for Grenade {
    fn drop(&mut self) {
        let _ = self.0.send(());
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_panic_of_a_destructor_does_not_end_a_thread() {
    let (sender, dropped) = mpsc::channel();
    let grenade = || Grenade(sender.clone());
    let is_alive = |client: &Client| {
        dropped.recv_timeout(BOUND).unwrap();
        assert_eq!(client.submit(|| 1).result_within(BOUND).unwrap(), 1);
    };

    // A result that nobody wants any more.
    let (client, open, _holding) = held();
    let mine = grenade();
    let (begins, begun) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let unwanted = client.submit(move || {
        begins.send(()).unwrap();
        ends.recv().unwrap();
        Arc::new(mine)
    });
    open.send(()).unwrap();
    begun.recv_timeout(BOUND).unwrap();
    drop(unwanted);
    end.send(()).unwrap();
    is_alive(&client);

    // A closure that could have run again.
    let mine = grenade();
    let repeated = client.task().repeat(move || {
        let _keep = &mine;
        Ok::<_, Error>(1)
    });
    assert_eq!(repeated.result_within(BOUND).unwrap(), 1);
    is_alive(&client);

    // The last of an input.
    let (client, open, _holding) = held();
    let mine = grenade();
    let input = client.submit(move || Arc::new(mine));
    let output = client.submit_with(&input, |_| 1);
    drop(input);
    open.send(()).unwrap();
    assert_eq!(output.result_within(BOUND).unwrap(), 1);
    is_alive(&client);

    // What another panic carries.
    let mine = grenade();
    let failed = client.submit(move || std::panic::panic_any(mine));
    let failure: Result<(), _> = failed.result_within(BOUND);
    assert!(failure.unwrap_err().to_string().contains("not text"));
    is_alive(&client);
}
