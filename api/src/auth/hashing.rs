//! Threads that hash passwords: few, and the last to be given a core, so that a flood of sign-ins
//! starves nobody who trades.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::problem::{Answered, Code, Problem};

/// Callers that may wait for a turn; one turn takes tens of milliseconds.
const WAITING_MAX: usize = 256;
/// The lowest priority there is.
const NICE: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end with the last handle.
#[derive(Clone)]
pub(crate) struct Hashing {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<Semaphore>,
}

impl Hashing {
    pub(crate) fn start() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..cores.div_ceil(2) {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name(format!("passwords-{number}"));
            let started = thread.spawn(move || work(&queue));
            if let Err(error) = started {
                tracing::error!("a thread that hashes passwords could not start: {error}");
            }
        }
        Self {
            jobs,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Runs `work` when its turn comes; refuses where too many wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Answered<T> {
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_full| Problem::new(Code::Overloaded))?;
        let (done, outcome) = oneshot::channel();
        let job = move || answer(place, done, work);
        let sent = self.jobs.send(Box::new(job));
        sent.map_err(|_ended| Problem::new(Code::Internal))?;
        outcome.await.map_err(|_panicked| {
            tracing::error!("password work panicked");
            Problem::new(Code::Internal)
        })
    }
}

fn answer<T>(place: OwnedSemaphorePermit, done: oneshot::Sender<T>, work: impl FnOnce() -> T) {
    // Whoever has gone away needs no answer, and its work is not worth doing.
    if !done.is_closed() {
        let _gone = done.send(work());
    }
    drop(place);
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!("password threads keep their priority: {error}");
    }
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else {
            return;
        };
        // A panic in one job is that caller's; the thread goes on.
        let _panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_and_a_panic_is_its_own_callers() {
        let hashing = Hashing::start();
        assert_eq!(hashing.run(|| 6 * 7).await.unwrap(), 42);
        let failed = hashing.run(|| -> u32 { panic!("as told") }).await;
        assert_eq!(failed.unwrap_err().code(), Code::Internal);
        assert_eq!(hashing.run(|| 1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once() {
        let hashing = Hashing::start();
        let (go, stop) = std::sync::mpsc::channel::<()>();
        let stop = Arc::new(Mutex::new(stop));
        let mut calls = Vec::new();
        for _ in 0..WAITING_MAX {
            let (hashing, stop) = (hashing.clone(), Arc::clone(&stop));
            calls.push(tokio::spawn(async move {
                let wait = move || stop.lock().unwrap().recv().is_err();
                hashing.run(wait).await
            }));
        }
        while hashing.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = hashing.run(|| ()).await;
        assert_eq!(refused.unwrap_err().code(), Code::Overloaded);
        drop(go);
        for call in calls {
            assert!(call.await.unwrap().unwrap());
        }
    }
}
