//! Writing elements to files.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use thalweg::{Acks, BoxError, Context, Element, EmitResult, Lease, Never, Operator};

use super::kept::{After, Record};
use super::name::{check_replaceable, record};
use super::part::Part;
use super::{FileError, Files, Format, Settings};
use crate::reply::{Reply, reply};

/// Bytes buffered before they are written.
const CAPACITY: usize = 64 * 1024;

/// Maximum number of files that wait for the disk. Then emitters wait.
const MAX_FINISHING: usize = 4;

/// The pauses before a file is tried again, which grow from the first to the last: half a minute in all.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_millis(12_800);

/// The most elements of a file that someone waits to have acknowledged: half of what a position may have in flight.
const MAX_UNACKNOWLEDGED: usize = 32_768;

/// Writes elements to files: the node behind [`ToFiles`](super::ToFiles).
pub struct FileSink<T, F> {
    settings: Settings,
    format: F,
    open: Option<Part<T>>,
    /// The number of the next file, once the folder has been looked at.
    next: Option<u64>,
    /// What the zero of the pipeline's clock stands for.
    start: Option<SystemTime>,
    /// Elements of the files that wait for the disk.
    finishing: Vec<Finishing<T>>,
    waiting: VecDeque<(T, Lease)>,
    is_flushed: bool,
    /// Why the open file could not be finished when it was to be.
    failed: Option<FileError>,
    /// Why a file is lost, if nobody has been told.
    lost: Option<FileError>,
    /// The error to return, which tells of files that were lost.
    told: EmitResult,
    /// Says whether the last file that was finished has got its name.
    before: Option<Receiver<bool>>,
}

impl<T, F> fmt::Debug for FileSink<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSink")
            .field("next", &self.next)
            .field("start", &self.start)
            .field("is_flushed", &self.is_flushed)
            .finish_non_exhaustive()
    }
}

impl<T: Element, F: Format<T>> FileSink<T, F> {
    /// A sink for files in a format.
    ///
    /// # Errors
    /// [`FileError::Invalid`]: the name or a limit is wrong, or the name is that of a device, a pipe or a folder.
    pub fn new(files: impl Into<Files>, format: F) -> Result<Self, FileError> {
        let settings = files.into().settings()?;
        check_replaceable(settings.template.path())?;
        Ok(Self {
            start: settings.start,
            settings,
            format,
            open: None,
            next: None,
            finishing: Vec::new(),
            waiting: VecDeque::new(),
            is_flushed: false,
            failed: None,
            lost: None,
            told: Ok(()),
            before: None,
        })
    }

    fn write(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        match self.try_write(&x, cx) {
            Ok(()) => {}
            Err(error) => return cx.fail(x, error),
        }
        if let Some(part) = &mut self.open {
            part.last = Some(x);
            if self
                .settings
                .is_full(part.rows, part.len() + self.format.held())
                || self.settings.template.is_numbered()
                    && part.unacknowledged() >= MAX_UNACKNOWLEDGED
            {
                // What does not go now is tried again with the next element.
                self.failed = self.finish(cx).err();
            }
        }
        self.tell()
    }

    fn tell(&mut self) -> EmitResult {
        std::mem::replace(&mut self.told, Ok(()))
    }

    fn try_write(&mut self, x: &T, cx: &mut Context<'_, Self>) -> Result<(), FileError> {
        if self.failed.is_some() {
            self.finish(cx)?;
            self.failed = None;
        }
        let kept = self.settings.kept.clone();
        let acks = cx.acks();
        if !kept.is_new(&acks) {
            // It is in a file that was written before a crash.
            return Ok(());
        }
        let written = self.try_write_new(x, &acks, cx);
        if written.is_err() {
            kept.take_back(&acks);
        }
        written
    }

    fn try_write_new(
        &mut self,
        x: &T,
        acks: &Acks,
        cx: &mut Context<'_, Self>,
    ) -> Result<(), FileError> {
        let part = match &mut self.open {
            Some(part) => part,
            None => {
                let part = self.create(cx)?;
                if let Some(age) = self.settings.max_age {
                    cx.wake_at(part.began.saturating_add(age));
                }
                self.open.insert(part)
            }
        };
        if part.unacknowledged() >= MAX_UNACKNOWLEDGED && !acks.is_none() {
            let problem = format!(
                "{MAX_UNACKNOWLEDGED} elements of this file wait to be acknowledged, which it does not end for; put \
                 `{{number}}` into its name"
            );
            return Err(FileError::invalid(part.path(), problem));
        }
        if part.buffer.len() >= CAPACITY {
            part.flush()?;
        }
        let mark = part.buffer.len();
        let added = self.format.add(x, &mut part.buffer);
        added.map_err(|problem| {
            part.buffer.truncate(mark);
            FileError::Element {
                path: part.path().to_owned(),
                problem,
            }
        })?;
        part.rows = part.rows.saturating_add(self.format.rows(x));
        part.elements += 1;
        part.keep(acks.clone());
        Ok(())
    }

    fn create(&mut self, cx: &Context<'_, Self>) -> Result<Part<T>, FileError> {
        let template = &self.settings.template;
        let now = cx.now();
        let number = match self.next {
            Some(number) => number,
            None => (template.next_number()?).max(self.settings.kept.next_number()),
        };
        let start = *self.start.get_or_insert_with(|| {
            let start = SystemTime::now().checked_sub(now);
            start.unwrap_or(SystemTime::UNIX_EPOCH)
        });
        let start = start.checked_add(now).unwrap_or(start);
        let path = template.name(number, start);
        let mut part = Part::create(path, !template.is_numbered(), now)?;
        let begun = self.format.begin(&mut part.buffer);
        begun.map_err(|problem| FileError::Element {
            path: part.path().to_owned(),
            problem,
        })?;
        self.next = Some(number.saturating_add(1));
        Ok(part)
    }

    /// Has the open file get its name.
    ///
    /// # Errors
    /// What it still holds cannot be written: it stays open, to be tried again.
    fn finish(&mut self, cx: &mut Context<'_, Self>) -> Result<(), FileError> {
        let Some(part) = &mut self.open else {
            return Ok(());
        };
        if part.elements == 0 {
            self.open = None;
            return Ok(());
        }
        if !part.is_ended {
            let ended = self.format.end(&mut part.buffer);
            part.is_ended = true;
            if let Err(problem) = ended {
                let path = part.path().to_owned();
                let error = FileError::Element { path, problem };
                return self.give_up(error, cx);
            }
        }
        part.flush()?;
        let kept = &self.settings.kept;
        let number = self.next.unwrap_or_default().saturating_sub(1);
        part.record = kept.record(number).map(|(text, after)| Record {
            text,
            after,
            path: record(part.path()),
            target: self.settings.template.record(),
        });
        if !self.settings.syncs {
            // The name may be refused now, and not later: a folder that is gone is made again, say.
            part.secure(false)?;
            part.finish(false)?;
            if let Some(record) = part.record.take() {
                kept.leaves(&record.after);
                kept.is_safe(record.after);
            }
            self.open = None;
            return Ok(());
        }
        let Some(part) = self.open.take() else {
            return Ok(());
        };
        if let Some(record) = &part.record {
            kept.leaves(&record.after);
        }
        let (tell, is_named) = channel();
        let before = self.before.replace(is_named);
        let elements = part.elements;
        let outcome = finish_elsewhere(part, before, tell);
        let ended = outcome.ended();
        self.finishing.push(Finishing { elements, outcome });
        cx.spawn(0, async move {
            ended.await;
            Finished(())
        });
        Ok(())
    }

    fn give_up(&mut self, source: FileError, cx: &mut Context<'_, Self>) -> Result<(), FileError> {
        if let Some(mut part) = self.open.take() {
            self.settings.kept.is_lost(false);
            self.lost(part.elements, part.last.take(), source, cx);
        }
        Ok(())
    }

    /// Records the outcome of a file; `None` if its thread has ended without a word.
    fn finished(
        &mut self,
        elements: u64,
        outcome: Option<Result<After, Unfinished<T>>>,
        cx: &mut Context<'_, Self>,
    ) {
        match outcome {
            Some(Ok(after)) => self.settings.kept.is_safe(after),
            Some(Err(unfinished)) => {
                let Unfinished {
                    elements,
                    last,
                    error,
                } = unfinished;
                self.settings.kept.is_lost(true);
                self.lost(elements, last, error, cx);
            }
            None => {
                self.settings.kept.is_lost(true);
                let problem = "the system gives no thread to finish a file with";
                let source = std::io::Error::other(problem);
                let source = FileError::io("finish", self.settings.template.path(), source);
                self.lost(elements, None, source, cx);
            }
        }
    }

    /// Reports what is lost with a file.
    fn lost(
        &mut self,
        elements: u64,
        last: Option<T>,
        source: FileError,
        cx: &mut Context<'_, Self>,
    ) {
        let source = Box::new(source);
        let error = FileError::Lost { elements, source };
        match last {
            Some(last) => self.told = self.tell().and(cx.fail(last, error)),
            None => self.lost = Some(error),
        }
    }

    /// Whether the open file has been open for as long as it may.
    fn is_due(&self, now: Duration) -> bool {
        match (&self.open, self.settings.max_age) {
            (Some(part), Some(age)) => now >= part.began.saturating_add(age),
            _ => false,
        }
    }
}

/// One of the files that are being synchronized to the disk has got its name, or has failed.
#[derive(Debug)]
pub struct Finished(());

/// A file that is being synchronized to the disk. Without an outcome, its thread has ended without a word.
struct Finishing<T> {
    elements: u64,
    outcome: Reply<Result<After, Unfinished<T>>>,
}

struct Unfinished<T> {
    elements: u64,
    last: Option<T>,
    error: FileError,
}

/// Synchronizes a file to the disk and gives it its name, on a thread of its own: a disk may take its time. If it has
/// positions, it gets its name after the file `before` it.
fn finish_elsewhere<T: Send + 'static>(
    mut part: Part<T>,
    before: Option<Receiver<bool>>,
    tell: Sender<bool>,
) -> Reply<Result<After, Unfinished<T>>> {
    let (replier, finished) = reply();
    let work = move || {
        let named = finish_with_patience(&mut part, before);
        // The file behind it may be gone.
        let _ = tell.send(named.is_ok());
        let result = match named {
            Ok(()) => {
                let record = part.record.take();
                Ok(record.map(|record| record.after).unwrap_or_default())
            }
            Err(error) => Err(Unfinished {
                elements: part.elements,
                last: part.last.take(),
                error,
            }),
        };
        // The tokens are told before the pipeline is.
        drop(part);
        replier.put(result);
    };
    let thread = std::thread::Builder::new().name("thalweg files".to_string());
    // Without a thread, the tokens are told that the elements have failed.
    drop(thread.spawn(work));
    finished
}

/// Tries for half a minute.
///
/// # Errors
/// The last reason why the file has not got its name.
fn finish_with_patience<T>(
    part: &mut Part<T>,
    before: Option<Receiver<bool>>,
) -> Result<(), FileError> {
    let mut pause = FIRST_PAUSE;
    persist(&mut pause, |is_again| {
        if is_again {
            part.rewrite()?;
        }
        part.secure(true)
    })?;
    if let Some(before) = before
        && part.record.is_some()
        && !before.recv().unwrap_or(false)
    {
        let problem = "the file before it, whose positions it goes on from, has not got its name";
        let source = std::io::Error::other(problem);
        return Err(FileError::io("finish", part.path(), source));
    }
    persist(&mut pause, |_| part.finish(true))
}

/// Calls `attempt` until it succeeds, fails for good, or has failed for half a minute. Its argument says whether it was
/// called before.
fn persist(
    pause: &mut Duration,
    mut attempt: impl FnMut(bool) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut is_again = false;
    loop {
        match attempt(is_again) {
            Err(error) if *pause <= LAST_PAUSE && error.is_temporary() => {
                std::thread::sleep(*pause);
                *pause *= 2;
                is_again = true;
            }
            result => return result,
        }
    }
}

impl<T: Element, F: Format<T>> Operator for FileSink<T, F> {
    type In = T;
    type Out = Never;
    type Event = Finished;
    const KIND: &'static str = F::KIND;
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const SINK: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.finishing.len() < MAX_FINISHING && self.waiting.is_empty() {
            return self.write(x, cx);
        }
        let lease = cx.hold();
        self.waiting.push_back((x, lease));
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.is_due(cx.now()) {
            self.failed = self.finish(cx).err();
        }
        self.tell()
    }

    fn event(
        &mut self,
        _: u64,
        finished: Result<Finished, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        // If the event loop has ended, threads still finish files: they wake the pipeline themselves.
        let waker = finished.is_err().then(|| cx.waker(0, || Finished(())));
        for finishing in std::mem::take(&mut self.finishing) {
            match finishing.outcome.poll_result(waker.as_ref()) {
                Poll::Pending => self.finishing.push(finishing),
                Poll::Ready(outcome) => self.finished(finishing.elements, outcome, cx),
            }
        }
        while self.finishing.len() < MAX_FINISHING
            && let Some((x, lease)) = self.waiting.pop_front()
        {
            if !lease.is_withdrawn() {
                cx.under(lease, |cx| self.write(x, cx));
            }
        }
        if self.is_flushed && self.waiting.is_empty() {
            self.failed = self.finish(cx).err();
        }
        self.tell()
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.is_flushed = true;
        if self.waiting.is_empty() {
            self.failed = self.finish(cx).err();
        }
        self.tell()
    }

    fn close(&mut self) -> Result<(), BoxError> {
        match self.failed.take().or(self.lost.take()) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn withdraw(&mut self) {
        self.waiting.retain(|(_, lease)| !lease.is_withdrawn());
    }

    fn in_flight(&self) -> usize {
        let finishing = self.finishing.iter().map(|file| file.elements).sum::<u64>();
        self.waiting.len() + usize::try_from(finishing).unwrap_or(usize::MAX)
    }

    fn buffered(&self) -> usize {
        let elements = self.open.as_ref().map_or(0, |part| part.elements);
        usize::try_from(elements).unwrap_or(usize::MAX)
    }

    fn suspends(&self) -> bool {
        false
    }

    fn needs_runtime(&self) -> bool {
        self.settings.syncs || self.settings.max_age.is_some()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let last = self.open.iter().filter_map(|part| part.last.as_ref());
        let waiting = self.waiting.iter().map(|(x, _)| x);
        last.chain(waiting).for_each(|x| visit(x));
    }

    fn label(&self) -> Option<String> {
        let name = self.settings.template.path().file_name()?;
        Some(name.to_string_lossy().into_owned())
    }
}
