//! Databases under one fault at a time. Every function of cutover-database dies, is refused, or is not answered, at each of
//! its calls in turn; outlives its task; is repeated; is stopped by an operator; finds no database, or no Scheduler. Each
//! time applications write on one side only, nothing that was acknowledged is lost, and a source whose switch is not on
//! record is open at its deadline.

mod calls;
mod late;
mod reach;
mod stopped;
mod unreachable;

use runner::world::{Notice, World};
use std::sync::{Arc, Mutex};

/// Does something, once, when a state of cutover-database is entered.
fn on_entering(world: &World, state: &str, deed: impl Fn(World) + Send + Sync + 'static) {
    let state = state.to_owned();
    // The world is given away with the deed: one that held its own listener for good would never end.
    let held = Mutex::new(Some(world.clone()));
    world.listen(Arc::new(move |_, notice| {
        let here = matches!(notice, Notice::Entered { machine, state: entered, .. }
            if machine == "cutover-database" && *entered == state);
        if !here {
            return;
        }
        let world = held.lock().ok().and_then(|mut held| held.take());
        if let Some(world) = world {
            deed(world);
        }
    }));
}
