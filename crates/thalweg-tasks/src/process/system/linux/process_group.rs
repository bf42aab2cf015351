//! A worker's process group.

use super::Socket;
use crate::process::protocol::outgoing::Outgoing;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A process in its own group, which contains the processes that it starts.
#[derive(Debug)]
pub(in crate::process) struct GroupLeader {
    child: Child,
    /// Its id may have been reused by now.
    is_reaped: bool,
    /// The thread that waits for its end.
    watcher: Option<JoinHandle<()>>,
}

impl GroupLeader {
    /// Starts one, with an end of a connection as its standard input.
    pub(crate) fn spawn(mut command: Command, socket: Socket) -> io::Result<Self> {
        command.stdin(socket.into_standard_input());
        let child = command.process_group(0).spawn()?;
        Ok(Self {
            child,
            is_reaped: false,
            watcher: None,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and its group.
    pub(crate) fn kill(&mut self) {
        if self.is_reaped {
            return;
        }
        // They may have ended by themselves, or have left the group.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
    }

    /// Kills it with its group, and returns how it ended. No resources stay open afterwards.
    pub(crate) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        self.is_reaped = true;
        let status = self.child.wait();
        if let Some(watcher) = self.watcher.take() {
            // If it has panicked, it has closed its resources as well.
            let _ = watcher.join();
        }
        status
    }

    /// Shuts its connection down when it ends, since a process that it has forked may keep the other end open.
    pub(crate) fn shut_down_at_its_end(&mut self, outgoing: &Arc<Outgoing>) -> io::Result<()> {
        let pid = Pid::from_child(&self.child);
        // Not every system has them.
        let file = pidfd_open(pid, PidfdFlags::empty()).ok();
        let has_file = file.is_some();
        let outgoing = outgoing.clone();
        let wait = move || {
            let id = || {
                file.as_ref()
                    .map_or(WaitId::Pid(pid), |file| WaitId::PidFd(file.as_fd()))
            };
            // It is left to be reaped.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            loop {
                match waitid(id(), options) {
                    Err(Errno::INTR) => {}
                    // Someone else may have reaped it.
                    Ok(_) | Err(Errno::CHILD) => return outgoing.socket.shut_down(),
                    Err(_) => return,
                }
            }
        };
        let watcher = thread::Builder::new()
            .name("thalweg-exit".into())
            .spawn(wait)?;
        // Without a file, another child may get the id, and would be waited for.
        self.watcher = has_file.then_some(watcher);
        Ok(())
    }
}
