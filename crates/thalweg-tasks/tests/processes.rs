//! Remote functions in worker processes, which run this test program again.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use thalweg_tasks::{
    Error, Failure, Processes, RunOutcome, Status, TaskError, init_worker, remote,
};

remote! {
    fn add(a: i64, b: i64) -> i64 {
        a + b
    }

    fn square(x: u64) -> u64 {
        x * x
    }

    fn zeros(count: usize) -> Vec<u8> {
        vec![0; count]
    }

    fn grow(bytes: Vec<u8>, by: u8) -> Vec<u8> {
        bytes.into_iter().map(|byte| byte + by).collect()
    }

    fn length(bytes: Vec<u8>) -> usize {
        bytes.len()
    }

    fn process() -> u32 {
        std::process::id()
    }

    fn echo(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn leave_a_child(path: String) {
        // The child inherits every descriptor without close-on-exec, and writes its process id.
        let command = format!("echo $$ > {path}; exec sleep 1000");
        let child = std::process::Command::new("sh").args(["-c", &command]).spawn();
        while std::fs::read_to_string(&path).unwrap_or_default().trim().is_empty() {
            std::thread::yield_now();
        }
        drop(child);
        std::process::abort();
    }

    fn crash() {
        std::process::abort();
    }

    fn leave() {
        std::process::exit(3);
    }

    fn complain(about: String) {
        panic!("about {about}");
    }

    fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }

    fn hoard() -> usize {
        let mut all = Vec::new();
        loop {
            all.push(vec![1_u8; 1 << 20]);
            std::hint::black_box(&all);
        }
    }

    fn crash_unless(marker: String) -> bool {
        // The first run leaves a mark and dies.
        if std::fs::create_dir(&marker).is_ok() {
            std::process::abort();
        }
        true
    }
}

/// Cannot be serialized if `true`.
#[derive(serde::Deserialize)]
struct Delicate(bool);

impl serde::Serialize for Delicate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 {
            return Err(serde::ser::Error::custom("too delicate"));
        }
        serializer.serialize_newtype_struct("Delicate", &self.0)
    }
}

remote! {
    fn is_delicate(it: Delicate) -> bool {
        it.0
    }
}

type Test = (&'static str, fn() -> Outcome);
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn results_come_in_order() -> Outcome {
    let client = Processes::start(2)?;
    let futures = client.map::<square, _>(0..10_000_u64);
    let expected: Vec<u64> = (0..10_000).map(|x| x * x).collect();
    assert_eq!(client.gather(&futures)?, expected);
    Ok(())
}

fn futures_are_arguments() -> Outcome {
    let client = Processes::start(2)?;
    let mut sum = client.submit::<add>((0, 0));
    for x in 1..=100 {
        sum = client.submit::<add>((&sum, x));
    }
    assert_eq!(sum.result()?, 5050);
    Ok(())
}

fn large_results_stay_at_their_worker_until_fetched() -> Outcome {
    let client = Processes::start(2)?;
    let data = client.submit::<zeros>((3_000_000,));
    let lengths: Vec<_> = (0..8).map(|_| client.submit::<length>((&data,))).collect();
    let more = client.submit::<grow>((&data, 7));
    assert_eq!(client.gather(&lengths)?, [3_000_000; 8]);
    assert!(more.result()?.iter().all(|byte| *byte == 7));
    assert!(data.result()?.iter().all(|byte| *byte == 0));
    Ok(())
}

fn callbacks_fetch_large_results() -> Outcome {
    let client = Processes::start(1)?;
    let (sender, told) = std::sync::mpsc::channel();
    let data = client.submit::<zeros>((3_000_000,));
    let mine = data.clone();
    data.when_done(move || {
        let _ = sender.send(mine.result().map(|data| data.len()));
    });
    assert_eq!(told.recv_timeout(Duration::from_secs(20))??, 3_000_000);
    let next = client.submit::<square>((2,));
    assert_eq!(next.result_within(Duration::from_secs(20))?, 4);
    Ok(())
}

fn much_data_travels_both_ways_at_once() -> Outcome {
    let client = Processes::start(2)?;
    for _ in 0..5 {
        let futures = client.map::<echo, _>((0..600).map(|number| vec![number as u8; 30_000]));
        for (number, future) in futures.iter().enumerate() {
            let bytes = future.result_within(Duration::from_secs(20))?;
            assert_eq!((bytes.len(), bytes[0]), (30_000, number as u8));
        }
    }
    Ok(())
}

fn children_of_a_worker_end_with_it() -> Outcome {
    let path = std::env::temp_dir().join(format!("thalweg-child-{}", std::process::id()));
    let client = Processes::start(1)?;
    let name = path.to_string_lossy().into_owned();
    let task = client.submit::<leave_a_child>((name,));
    let failed = task.result_within(Duration::from_secs(20));
    let child: u32 = std::fs::read_to_string(&path)?.trim().parse()?;
    std::fs::remove_file(&path)?;
    assert!(matches!(failed, Err(Error::Task(_))), "{failed:?}");
    let end = Instant::now() + Duration::from_secs(20);
    while is_running(child) {
        assert!(Instant::now() < end, "the child is still there");
        std::thread::yield_now();
    }
    Ok(())
}

fn gather_fails_with_the_first_failure() -> Outcome {
    let client = Processes::start(2)?;
    let endless = client.submit::<spin>(());
    let fails = client.submit::<complain>((String::from("gather"),));
    let (sender, gathered) = std::sync::mpsc::channel();
    let (same, futures) = (client.clone(), [endless.clone(), fails]);
    std::thread::spawn(move || sender.send(same.gather(&futures)));
    let outcome = gathered.recv_timeout(Duration::from_secs(20))?;
    assert!(matches!(outcome, Err(Error::Task(_))), "{outcome:?}");
    assert_eq!(endless.status(), Status::Pending);
    Ok(())
}

fn results_can_be_fetched_while_tasks_need_them() -> Outcome {
    let client = Processes::start(1)?;
    for _ in 0..20 {
        let data = client.submit::<zeros>((200_000,));
        let lengths: Vec<_> = (0..50).map(|_| client.submit::<length>((&data,))).collect();
        assert_eq!(data.result()?.len(), 200_000);
        assert_eq!(client.gather(&lengths)?, [200_000; 50]);
    }
    Ok(())
}

fn a_crash_fails_only_its_task() -> Outcome {
    let client = Processes::start(2)?;
    let before = client.map::<square, _>(0..100);
    let crashed = client.submit::<crash>(());
    let left = client.submit::<leave>(());
    let after = client.map::<square, _>(0..100);
    let expected: Vec<u64> = (0..100).map(|x| x * x).collect();
    assert_eq!(client.gather(&before)?, expected);
    assert_eq!(client.gather(&after)?, expected);
    for (future, reason) in [(crashed, "SIGABRT"), (left, "exit status: 3")] {
        let Err(Error::Task(failure)) = future.result() else {
            return Err("it should fail".into());
        };
        let Failure::KilledWorker {
            reason: said,
            deaths: 1,
        } = &*failure
        else {
            return Err(failure.to_string().into());
        };
        assert!(said.contains(reason), "{said}");
    }
    Ok(())
}

fn a_task_that_kills_three_workers_is_given_up() -> Outcome {
    let client = Processes::start(1)?;
    let crashing = client.task().retries(10).submit::<crash>(());
    let Err(Error::Task(failure)) = crashing.result() else {
        return Err("it should fail".into());
    };
    assert!(
        matches!(*failure, Failure::KilledWorker { deaths: 3, .. }),
        "{failure}"
    );
    assert!(
        failure.to_string().ends_with("in processes::crash"),
        "{failure}"
    );
    assert_eq!(client.submit::<add>((1, 2)).result()?, 3);
    Ok(())
}

fn a_task_with_retries_survives_a_crash() -> Outcome {
    let marker = std::env::temp_dir().join(format!("thalweg-crash-{}", std::process::id()));
    let client = Processes::start(1)?;
    let text = marker.to_string_lossy().into_owned();
    let result = client
        .task()
        .retries(1)
        .submit::<crash_unless>((text,))
        .result();
    std::fs::remove_dir(&marker)?;
    assert!(result?);
    Ok(())
}

fn lost_results_are_recomputed() -> Outcome {
    let client = Processes::start(1)?;
    let data = client.submit::<zeros>((1_000_000,));
    let grown = client.submit::<grow>((&data, 1));
    assert_eq!(client.submit::<length>((&grown,)).result()?, 1_000_000);
    assert!(client.submit::<crash>(()).result().is_err());
    assert!(grown.result()?.iter().all(|byte| *byte == 1));
    Ok(())
}

fn panics_are_errors() -> Outcome {
    let client = Processes::start(1)?;
    let complaint = client.submit::<complain>(("rain".to_owned(),));
    let next = client.submit::<add>((1, 1));
    let Err(Error::Task(failure)) = complaint.result() else {
        return Err("it should fail".into());
    };
    let Failure::Raised(TaskError::Panicked(message)) = &*failure else {
        return Err(failure.to_string().into());
    };
    assert_eq!(message, "about rain");
    assert_eq!(next.result()?, 2, "and the process goes on");
    Ok(())
}

fn values_that_cannot_be_sent_are_named() -> Outcome {
    let client = Processes::start(1)?;
    let futures = client.map::<is_delicate, _>([Delicate(false), Delicate(true), Delicate(false)]);
    let Err(Error::Task(failure)) = futures[1].result() else {
        return Err("it should fail".into());
    };
    assert!(
        matches!(*failure, Failure::Raised(TaskError::Unsent(_))),
        "{failure}"
    );
    assert!(!futures[0].result()? && !futures[2].result()?);
    Ok(())
}

fn time_limits_stop_running_tasks() -> Outcome {
    let client = Processes::start(1)?;
    assert_eq!(client.task_runs(), []);
    let process_before = client.submit::<process>(()).result()?;
    let limit = Duration::from_millis(200);
    let late = client.task().time_limit(limit).submit::<spin>(());
    let behind = client.submit::<add>((2, 2));
    let Err(Error::Task(failure)) = late.result() else {
        return Err("it should fail".into());
    };
    assert!(matches!(*failure, Failure::TimedOut(_)), "{failure}");
    assert_eq!(behind.result()?, 4);
    assert_ne!(
        client.submit::<process>(()).result()?,
        process_before,
        "another has its place"
    );
    assert_eq!(client.time_limits_struck(), 1);
    let runs = client.task_runs();
    let killed = runs.iter().find(|run| run.outcome == RunOutcome::Killed);
    assert!(
        killed.is_some_and(|run| run.name.contains("spin") && run.took >= limit),
        "{runs:?}"
    );
    let done = runs.iter().filter(|run| run.outcome == RunOutcome::Done);
    assert!(done.map(|run| run.tasks).sum::<u64>() >= 1, "{runs:?}");
    let deaths = client.deaths();
    assert_eq!((deaths.task_stopped, deaths.total()), (1, 1));
    Ok(())
}

fn running_tasks_can_be_killed() -> Outcome {
    let client = Processes::start(1)?;
    let endless = client.submit::<spin>(());
    let behind = client.submit::<add>((2, 3));
    assert!(endless.kill()?);
    assert_eq!(endless.status(), Status::Cancelled);
    assert_eq!(behind.result()?, 5);
    Ok(())
}

/// Tasks are killed just as the worker begins them.
fn tasks_can_be_killed_while_starting() -> Outcome {
    let client = Processes::start(1)?;
    for moment in 0..60 {
        client.submit::<add>((1, 1)).result()?;
        let endless = client.submit::<spin>(());
        for _ in 0..moment * 20 {
            std::hint::spin_loop();
        }
        assert!(endless.kill()?);
        let (sender, behind) = std::sync::mpsc::channel();
        let next = client.submit::<add>((2, 3));
        next.when_done(move || {
            // Without a receiver the test has already ended.
            let _ = sender.send(());
        });
        behind.recv_timeout(Duration::from_secs(60))?;
        assert_eq!(next.result()?, 5);
    }
    Ok(())
}

fn memory_is_limited() -> Outcome {
    let client = Processes::builder().memory_limit(100 << 20).start(1)?;
    let hoarding = client.submit::<hoard>(());
    let Err(Error::Task(failure)) = hoarding.result() else {
        return Err("it should fail".into());
    };
    assert!(failure.to_string().contains("100 are allowed"), "{failure}");
    let deaths = client.deaths();
    assert_eq!((deaths.memory, deaths.total()), (1, 1));
    assert_eq!(client.time_limits_struck(), 0);
    assert_eq!(client.submit::<add>((2, 3)).result()?, 5);
    client.close();
    assert_eq!(client.deaths(), deaths, "closing is no death");
    Ok(())
}

fn close_ends_processes_and_tasks() -> Outcome {
    let client = Processes::start(2)?;
    let endless = client.submit::<spin>(());
    let processes = client.processes();
    assert_eq!(processes.len(), 2);
    client.close();
    let Err(Error::Task(failure)) = endless.result() else {
        return Err("it should fail".into());
    };
    assert!(matches!(*failure, Failure::Closed), "{failure}");
    let Err(Error::Task(failure)) = client.submit::<add>((1, 1)).result() else {
        return Err("it should fail".into());
    };
    assert!(matches!(*failure, Failure::Closed), "{failure}");
    for process in processes {
        assert!(!is_running(process), "{process}");
    }
    Ok(())
}

fn close_leaves_no_descriptors_open() -> Outcome {
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = open();
    for _ in 0..10 {
        let client = Processes::start(2)?;
        assert_eq!(client.submit::<add>((1, 2)).result()?, 3);
        client.close();
        assert_eq!(open(), before);
    }
    Ok(())
}

/// The process that [`no_process_outlives_its_parent`] starts and kills.
fn be_killed() -> Outcome {
    let client = Processes::start(2)?;
    let endless: Vec<_> = (0..2).map(|_| client.submit::<spin>(())).collect();
    let processes = loop {
        let processes = client.processes();
        if processes.len() == 2 {
            break processes;
        }
    };
    println!("{} {}", processes[0], processes[1]);
    endless[0].result()?;
    Ok(())
}

fn no_process_outlives_its_parent() -> Outcome {
    use std::io::BufRead;
    let mut parent = Command::new(std::env::current_exe()?)
        .arg("be killed")
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = parent.stdout.take().ok_or("there is an output")?;
    std::io::BufReader::new(output).read_line(&mut line)?;
    parent.kill()?;
    parent.wait()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    for process in line.split_whitespace() {
        let process = process.parse()?;
        while is_running(process) {
            assert!(Instant::now() < deadline, "{process} lives on");
            std::thread::yield_now();
        }
    }
    Ok(())
}

/// Suspends the only worker of a client by SIGSTOP.
fn stop_worker(client: &Processes) -> Result<(), Box<dyn std::error::Error>> {
    let process = client.submit::<process>(()).result()?;
    let stopped = Command::new("kill")
        .args(["-STOP", &process.to_string()])
        .status()?;
    assert!(stopped.success());
    Ok(())
}

fn stopped_workers_are_replaced() -> Outcome {
    let ttl = Duration::from_millis(200);
    let client = Processes::builder().worker_ttl(ttl).start(1)?;
    stop_worker(&client)?;
    assert_eq!(client.submit::<add>((1, 2)).result()?, 3);
    Ok(())
}

fn time_limits_apply_to_tasks_on_a_stopped_worker() -> Outcome {
    let client = Processes::builder().worker_ttl(None).start(1)?;
    stop_worker(&client)?;
    let limit = Duration::from_millis(100);
    let task = client.task().time_limit(limit).submit::<add>((1, 2));
    assert!(matches!(
        task.result(),
        Err(Error::Task(failure)) if matches!(*failure, Failure::TimedOut(_))
    ));
    Ok(())
}

/// Whether a process exists and has not ended.
fn is_running(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

fn main() -> ExitCode {
    init_worker();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "be killed") {
        return if be_killed().is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let tests: &[Test] = &[
        ("results_come_in_order", results_come_in_order),
        ("futures_are_arguments", futures_are_arguments),
        (
            "large_results_stay_at_their_worker_until_fetched",
            large_results_stay_at_their_worker_until_fetched,
        ),
        (
            "gather_fails_with_the_first_failure",
            gather_fails_with_the_first_failure,
        ),
        (
            "much_data_travels_both_ways_at_once",
            much_data_travels_both_ways_at_once,
        ),
        (
            "children_of_a_worker_end_with_it",
            children_of_a_worker_end_with_it,
        ),
        (
            "callbacks_fetch_large_results",
            callbacks_fetch_large_results,
        ),
        (
            "results_can_be_fetched_while_tasks_need_them",
            results_can_be_fetched_while_tasks_need_them,
        ),
        ("a_crash_fails_only_its_task", a_crash_fails_only_its_task),
        (
            "a_task_that_kills_three_workers_is_given_up",
            a_task_that_kills_three_workers_is_given_up,
        ),
        (
            "a_task_with_retries_survives_a_crash",
            a_task_with_retries_survives_a_crash,
        ),
        ("lost_results_are_recomputed", lost_results_are_recomputed),
        ("panics_are_errors", panics_are_errors),
        (
            "values_that_cannot_be_sent_are_named",
            values_that_cannot_be_sent_are_named,
        ),
        (
            "time_limits_stop_running_tasks",
            time_limits_stop_running_tasks,
        ),
        ("running_tasks_can_be_killed", running_tasks_can_be_killed),
        ("memory_is_limited", memory_is_limited),
        ("stopped_workers_are_replaced", stopped_workers_are_replaced),
        (
            "time_limits_apply_to_tasks_on_a_stopped_worker",
            time_limits_apply_to_tasks_on_a_stopped_worker,
        ),
        (
            "tasks_can_be_killed_while_starting",
            tasks_can_be_killed_while_starting,
        ),
        (
            "close_ends_processes_and_tasks",
            close_ends_processes_and_tasks,
        ),
        (
            "close_leaves_no_descriptors_open",
            close_leaves_no_descriptors_open,
        ),
        (
            "no_process_outlives_its_parent",
            no_process_outlives_its_parent,
        ),
    ];
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = false;
    for (name, test) in tests {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        match test() {
            Ok(()) => println!("test {name} ... ok"),
            Err(error) => {
                println!("test {name} ... FAILED: {error}");
                failed = true;
            }
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
