//! Databases under one fault at a time. Every function of cutover-database dies, is refused, or is not answered, at each of
//! its calls in turn; outlives its task; is repeated; is stopped by an operator; finds no database, or no Scheduler. Each
//! time applications write on one side only, nothing that was acknowledged is lost, and a source whose switch is not on
//! record is open at its deadline.
//!
//! Every run is a whole wave, so that its end can be judged. A cutover that goes forward dies after every call that it makes.
//! What else is done is done at the first call of each kind (its caller, its service, its operation), and what differs only
//! in length or in severity takes turns. With `LANDFALL_EVERY_FAULT=1` nothing is left out, which takes half an hour.

mod calls;
mod late;
mod reach;
mod stopped;
mod unreachable;

use runner::world::{Notice, World};
use std::sync::{Arc, Mutex};

/// Whether nothing is to be left out.
fn everything() -> bool {
    std::env::var_os("LANDFALL_EVERY_FAULT").is_some()
}

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
