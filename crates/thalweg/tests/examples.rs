//! Runs the examples, which check their own output.

#![cfg(feature = "tokio")]

use thalweg::BoxError;

#[path = "../examples/callback_to_future.rs"]
mod callback_to_future;
#[path = "../examples/callbacks.rs"]
mod callbacks;
#[path = "../examples/downloading_images.rs"]
mod downloading_images;
#[path = "../examples/edits_by_wiki.rs"]
mod edits_by_wiki;
#[path = "../examples/event_loop_on_a_separate_thread.rs"]
mod event_loop_on_a_separate_thread;
#[path = "../examples/executor.rs"]
mod executor;
#[path = "../examples/hello_world.rs"]
mod hello_world;
#[path = "../examples/partial_lines.rs"]
mod partial_lines;
#[path = "../examples/run_on_executor.rs"]
mod run_on_executor;
#[path = "../examples/saving_to_a_database.rs"]
mod saving_to_a_database;
#[path = "../examples/sleeping_eight_hours.rs"]
mod sleeping_eight_hours;
#[path = "../examples/terminal_clock.rs"]
mod terminal_clock;
#[path = "../examples/time_limit.rs"]
mod time_limit;
#[path = "../examples/within_the_event_loop.rs"]
mod within_the_event_loop;
#[path = "../examples/without_an_event_loop.rs"]
mod without_an_event_loop;

#[test]
fn within_the_event_loop() -> Result<(), BoxError> {
    Ok(within_the_event_loop::main()?)
}

#[test]
fn event_loop_on_a_separate_thread() -> Result<(), BoxError> {
    Ok(event_loop_on_a_separate_thread::main()?)
}

#[test]
fn without_an_event_loop() -> Result<(), BoxError> {
    Ok(without_an_event_loop::main()?)
}

#[test]
fn hello_world() -> Result<(), BoxError> {
    hello_world::main()
}

#[test]
fn callbacks() {
    callbacks::main();
}

#[test]
fn callback_to_future() -> Result<(), BoxError> {
    Ok(callback_to_future::main()?)
}

#[test]
fn executor() -> Result<(), BoxError> {
    executor::main()
}

#[test]
fn run_on_executor() -> Result<(), BoxError> {
    run_on_executor::main()
}

#[test]
fn sleeping_eight_hours() -> Result<(), BoxError> {
    Ok(sleeping_eight_hours::main()?)
}

#[test]
fn terminal_clock() -> Result<(), BoxError> {
    Ok(terminal_clock::main()?)
}

#[test]
fn partial_lines() -> Result<(), BoxError> {
    Ok(partial_lines::main()?)
}

#[test]
fn saving_to_a_database() -> Result<(), BoxError> {
    saving_to_a_database::main()
}

#[test]
fn downloading_images() -> Result<(), BoxError> {
    downloading_images::main()
}

#[test]
fn time_limit() -> Result<(), BoxError> {
    time_limit::main()
}

#[test]
fn edits_by_wiki() -> Result<(), BoxError> {
    edits_by_wiki::main()
}
