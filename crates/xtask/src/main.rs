//! The project's commands: `cargo xtask test`, `demo`, `bench`, `docs`, `fuzz`, `services`, `soak`, `stubs`, `wheels`.

mod args;
mod commands;
mod console;
mod invocation;
mod project;
mod python;
mod step;
mod summary;
mod target;

use args::Request;
use commands::{bench, demo, docs, fuzz, services, soak, stubs, test, wheels};
use project::Project;
use std::process::ExitCode;

/// Exit code for a wrong command line.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let request = match args::parse(lexopt::Parser::from_env()) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error}\n\n`cargo xtask --help` lists what there is.");
            return ExitCode::from(USAGE_ERROR);
        }
    };
    let project = Project::locate();
    match request {
        Request::Help(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Request::ListSteps => {
            test::list();
            ExitCode::SUCCESS
        }
        Request::Test(plan) => test::run(&project, &plan),
        Request::Demo { language, args } => demo::run(&project, language, args),
        Request::Bench { language, args } => bench::run(&project, language, args),
        Request::Docs { open } => docs::run(&project, open),
        Request::Fuzz(plan) => fuzz::run(&project, &plan),
        Request::Services(order) => services::run(&project, order),
        Request::Soak(plan) => soak::run(&project, &plan),
        Request::Stubs => stubs::run(&project),
        Request::Wheels(order) => wheels::run(&project, &order),
    }
}
