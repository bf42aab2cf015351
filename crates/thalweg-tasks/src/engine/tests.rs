use super::*;
use crate::slot::wait_all_or_failure;

enum Nothing {}

impl TaskTypes for Nothing {
    type Program = ();
    type Value = ();
    type Error = ();
}

#[test]
fn a_task_that_depends_on_another_engine_fails() {
    let engines: [Arc<TaskEngine<Nothing>>; 2] = [TaskEngine::threads(), TaskEngine::threads()];
    let theirs = engines[1].place((), None);
    let spec = || spec((), std::iter::once(theirs.clone()).collect(), None);
    let mut slots = vec![engines[0].submit(spec())];
    engines[0].submit_all([spec(), spec()], |slot| slots.push(slot));
    assert_eq!(slots.len(), 3);
    for slot in slots {
        assert_eq!(slot.failure().as_deref(), Some(&Failure::OtherClient));
    }
    assert!(engines[1].submit(spec()).failure().is_none());
}

#[test]
fn a_forked_process_waits_for_nothing() {
    let mut engine: Arc<TaskEngine<Nothing>> = TaskEngine::threads();
    let owner = std::process::id() + 1;
    Arc::get_mut(&mut engine).expect("nobody else has it").owner = OwnerProcess::pretend(owner);
    let here = engine.submit(spec((), Vec::new(), None));
    assert_eq!(here.failure().as_deref(), Some(&Failure::Forked { owner }));
    // As if it had been submitted before the fork.
    let inherited = Arc::new(Slot::new(TaskId::NONE, engine.clone(), None));
    let waited = wait_all_or_failure(std::iter::once(&inherited));
    assert_eq!(
        *waited.expect_err("it is never done"),
        Failure::Forked { owner }
    );
    assert_eq!(engine.cancel(&inherited, true), Ok(false));
    assert!(!engine.retry(&inherited));
}
