//! A thread of its own for everything that is not Landfall: applications, and what stands in for DMS.

use std::thread::JoinHandle;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A runtime on a thread of its own, until it is dropped.
pub struct Outside {
    pub runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    pub fn start() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (give, given) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            give.send(runtime.handle().clone()).expect("somebody waits for it");
            // Nobody being left to tell is the same as being told.
            let _ = runtime.block_on(stopped);
        });
        Self {
            runtime: given.recv().expect("the thread gives its runtime"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already.
            let _ = thread.join();
        }
    }
}
