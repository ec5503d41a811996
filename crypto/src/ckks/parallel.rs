//! Work on the primes of a polynomial in parallel: each worker has its own room, and takes the next prime when it is
//! done with one.

use std::sync::{Mutex, PoisonError};

use aligned_vec::{AVec, CACHELINE_ALIGN, ConstAlign};

pub(super) type Words = AVec<u64, ConstAlign<CACHELINE_ALIGN>>;

/// Below so many words of work it is not worth waking another thread.
const LEAST_WORDS: usize = 1 << 14;

pub(super) fn words(length: usize) -> Words {
    AVec::from_iter(CACHELINE_ALIGN, std::iter::repeat_n(0, length))
}

/// Room for each worker.
#[derive(Debug)]
pub(super) struct Rooms(Vec<Words>);

impl Rooms {
    /// For as many workers as the current thread pool has.
    pub(super) fn new(length: usize) -> Self {
        Self((0..rayon::current_num_threads()).map(|_| words(length)).collect())
    }

    /// Runs all tasks, each with a room whose words are not specified. `words` tells how much work they are together.
    pub(super) fn for_each<T: Send>(
        &mut self,
        words: usize,
        tasks: impl Iterator<Item = T> + Send,
        run: impl Fn(T, &mut [u64]) + Sync,
    ) {
        let threads = rayon::current_num_threads().min(self.0.len());
        let (first, others) = self.0.split_at_mut(1);
        let Some(first) = first.first_mut() else { return };
        if threads < 2 || words < LEAST_WORDS {
            return tasks.for_each(|task| run(task, first));
        }
        let queue = Mutex::new(tasks);
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |room: &mut Words| {
            while let Some(task) = next() {
                run(task, room);
            }
        };
        let work = &work;
        rayon::in_place_scope(|scope| {
            for room in &mut others[..threads - 1] {
                scope.spawn(move |_| work(room));
            }
            work(first);
        });
    }
}

/// As [`Rooms::for_each`] for tasks that need no room.
pub(super) fn for_each<T: Send>(words: usize, tasks: impl Iterator<Item = T> + Send, run: impl Fn(T) + Sync) {
    let mut rooms = Rooms::new(0);
    rooms.for_each(words, tasks, |task, _| run(task));
}
