//! Being asked to stop: Ctrl-C, `kill`, or the terminal going away.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Told once; anybody can wait for it, now or later.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for the signals. A second one ends the process at once; Postgres is told by the
    /// kernel then, and recovers what was not written yet.
    pub fn on_signals() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            any(&mut interrupt, &mut terminate, &mut hangup).await;
            tracing::info!("stopping; a second signal ends everything at once");
            sender.send_replace(true);
            any(&mut interrupt, &mut terminate, &mut hangup).await;
            std::process::exit(130);
        });
        Ok(Self(receiver))
    }

    /// Waits until it was asked for.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // The sender lives as long as the process.
        let _ = receiver.wait_for(|stop| *stop).await;
    }
}

async fn any(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
