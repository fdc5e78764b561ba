//! What the heap of the C library gives back.
//!
//! glibc takes large blocks from the system and gives them back when they are freed. But each one
//! that is freed raises the size from which it does so, up to 32 MiB: after a row of 16 MiB the
//! next ones come from its heaps, one for each thread, which keep them. Twelve rows of 16 MiB then
//! took 100 MiB more than they needed.

/// Blocks from this size on are the system's: above the payloads and buffers of ordinary rows,
/// which are at most 4 MiB and are better taken from the heap again and again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES: i32 = 4 << 20;
/// What a heap may keep of what was freed in it. Each payload is freed before the next one is taken: at
/// 4 MiB a copy of 600 MB asked the system for 350 MB of zeroed pages, at this for 30 MB, and at four
/// times as much for no less; it costs 11 MiB in all.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: i32 = 16 << 20;

/// Lets the process give large blocks back to the system as soon as they are freed. To be called
/// before other threads are started. Other C libraries do so by themselves.
pub fn give_back_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        set(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        set(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library has no safe way to set an option of its heap")]
fn set(option: libc::c_int, bytes: libc::c_int) {
    // SAFETY: both options take any size; refusing one, which the answer would say, changes nothing.
    unsafe {
        libc::mallopt(option, bytes);
    }
}
