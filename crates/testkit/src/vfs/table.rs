//! The tables of functions by which SQLite knows the disk.
#![allow(unsafe_code)] // SQLite asks for a VFS through a table of C functions; there is no safe way to be one.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use rusqlite::ffi;

use super::{Image, Images, State};

/// An open file. The system's own file follows it in memory.
#[repr(C)]
struct Handle {
    methods: *const ffi::sqlite3_io_methods,
    vfs: *const Vfs,
    /// The image's key; null for files that are passed through.
    path: *mut PathBuf,
}

/// What `pAppData` points to. Registered for good: a test process has a handful.
struct Vfs {
    system: *mut ffi::sqlite3_vfs,
    state: Arc<State>,
}

/// Makes SQLite know the disk by this name.
pub(super) fn register(name: &str, state: Arc<State>) {
    let name = CString::new(name).expect("a name without zeros");
    // SAFETY: the default VFS lives as long as the process. Ours is made of leaked boxes, so it does too.
    unsafe {
        let system = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!system.is_null(), "SQLite has a VFS of its own");
        let vfs = Box::leak(Box::new(Vfs { system, state }));
        let own = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<Handle>() as c_int + (*system).szOsFile,
            mxPathname: (*system).mxPathname,
            pNext: ptr::null_mut(),
            zName: name.into_raw(),
            pAppData: ptr::from_mut(vfs).cast::<c_void>(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        assert_eq!(ffi::sqlite3_vfs_register(own, 0), ffi::SQLITE_OK);
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2, // No memory maps: every read is seen.
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

type RawVfs = *mut ffi::sqlite3_vfs;
type RawFile = *mut ffi::sqlite3_file;

// SAFETY, for all that follows: SQLite calls with the VFS that was registered, so `pAppData` is a `Vfs`; with files
// of `szOsFile` bytes that `open` has filled, so a `Handle` is followed by a file of the system's VFS; and with
// buffers of the lengths that it says. It does not use a file from two threads at once.

unsafe fn vfs<'a>(raw: RawVfs) -> &'a Vfs {
    unsafe { &*(*raw).pAppData.cast::<Vfs>() }
}

/// The system's own file behind ours.
unsafe fn below(file: RawFile) -> RawFile {
    unsafe { file.cast::<Handle>().add(1).cast() }
}

/// Calls a method of the system's own file.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let below = unsafe { below($file) };
        let method = unsafe { (*(*below).pMethods).$method };
        match method {
            Some(method) => unsafe { method(below $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// Calls a function of the system's own VFS.
macro_rules! ask {
    ($raw:expr, $function:ident $(, $argument:expr)*) => {{
        let system = unsafe { vfs($raw) }.system;
        match unsafe { (*system).$function } {
            Some(function) => unsafe { function(system $(, $argument)*) },
            None => ffi::SQLITE_ERROR,
        }
    }};
}

/// Does something with a file's image; this fault when power is lost. None for a file that is passed through.
unsafe fn imaged(file: RawFile, fault: c_int, act: impl FnOnce(&mut Image, &mut u64) -> c_int) -> Option<c_int> {
    let handle = unsafe { &*file.cast::<Handle>() };
    let path = unsafe { handle.path.as_ref() }?;
    let mut images = unsafe { &*handle.vfs }.state.images();
    let Images { lost, flushes, open } = &mut *images;
    Some(match open.get_mut(path) {
        Some(image) if !*lost => act(image, flushes),
        _ => fault,
    })
}

unsafe extern "C" fn open(
    raw: RawVfs,
    name: ffi::sqlite3_filename,
    file: RawFile,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let handle = file.cast::<Handle>();
    unsafe {
        ptr::write(
            handle,
            Handle {
                methods: ptr::null(),
                vfs: vfs(raw),
                path: ptr::null_mut(),
            },
        )
    };
    let mut images = unsafe { vfs(raw) }.state.images();
    if images.lost {
        return ffi::SQLITE_CANTOPEN;
    }
    unsafe { (*below(file)).pMethods = ptr::null() };
    let opened = ask!(raw, xOpen, name, below(file), flags, out);
    if opened != ffi::SQLITE_OK {
        return opened;
    }
    let kept = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
    if flags & kept != 0 && !name.is_null() {
        let path = unsafe { path_of(name) };
        if !images.open.contains_key(&path) {
            let Ok(image) = Image::open(&path) else {
                drop(images);
                pass!(file, xClose);
                return ffi::SQLITE_CANTOPEN;
            };
            images.open.insert(path.clone(), image);
        }
        unsafe { (*handle).path = Box::into_raw(Box::new(path)) };
    }
    unsafe { (*handle).methods = &raw const METHODS };
    ffi::SQLITE_OK
}

unsafe fn path_of(name: *const c_char) -> PathBuf {
    PathBuf::from(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

unsafe extern "C" fn delete(raw: RawVfs, name: *const c_char, sync_dir: c_int) -> c_int {
    let mut images = unsafe { vfs(raw) }.state.images();
    if images.lost {
        return ffi::SQLITE_IOERR_DELETE;
    }
    images.open.remove(&unsafe { path_of(name) });
    ask!(raw, xDelete, name, sync_dir)
}

unsafe extern "C" fn access(raw: RawVfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    let images = unsafe { vfs(raw) }.state.images();
    // The system takes an empty file for none, and a log that was never flushed is empty there.
    if flags == ffi::SQLITE_ACCESS_EXISTS
        && images
            .open
            .get(&unsafe { path_of(name) })
            .is_some_and(|image| !image.bytes.is_empty())
    {
        unsafe { *out = 1 };
        return ffi::SQLITE_OK;
    }
    ask!(raw, xAccess, name, flags, out)
}

unsafe extern "C" fn full_pathname(raw: RawVfs, name: *const c_char, length: c_int, out: *mut c_char) -> c_int {
    ask!(raw, xFullPathname, name, length, out)
}

unsafe extern "C" fn randomness(raw: RawVfs, length: c_int, out: *mut c_char) -> c_int {
    ask!(raw, xRandomness, length, out)
}

unsafe extern "C" fn sleep(raw: RawVfs, microseconds: c_int) -> c_int {
    ask!(raw, xSleep, microseconds)
}

unsafe extern "C" fn current_time(raw: RawVfs, out: *mut f64) -> c_int {
    ask!(raw, xCurrentTime, out)
}

unsafe extern "C" fn current_time_int64(raw: RawVfs, out: *mut ffi::sqlite3_int64) -> c_int {
    ask!(raw, xCurrentTimeInt64, out)
}

unsafe extern "C" fn last_error(raw: RawVfs, length: c_int, out: *mut c_char) -> c_int {
    ask!(raw, xGetLastError, length, out)
}

unsafe extern "C" fn close(file: RawFile) -> c_int {
    let handle = unsafe { &mut *file.cast::<Handle>() };
    if !handle.path.is_null() {
        // The image stays: other connections and the next one see what is not flushed yet.
        drop(unsafe { Box::from_raw(handle.path) });
        handle.path = ptr::null_mut();
    }
    pass!(file, xClose)
}

unsafe extern "C" fn read(file: RawFile, out: *mut c_void, length: c_int, at: ffi::sqlite3_int64) -> c_int {
    let (wanted, at_byte) = (length as usize, at as usize);
    let copied = unsafe {
        imaged(file, ffi::SQLITE_IOERR_READ, |image, _| {
            let there = image.bytes.get(at_byte..).unwrap_or_default();
            let there = &there[..there.len().min(wanted)];
            let out = std::slice::from_raw_parts_mut(out.cast::<u8>(), wanted);
            out[..there.len()].copy_from_slice(there);
            out[there.len()..].fill(0);
            if there.len() == wanted {
                ffi::SQLITE_OK
            } else {
                ffi::SQLITE_IOERR_SHORT_READ
            }
        })
    };
    copied.unwrap_or_else(|| pass!(file, xRead, out, length, at))
}

unsafe extern "C" fn write(file: RawFile, from: *const c_void, length: c_int, at: ffi::sqlite3_int64) -> c_int {
    let written = unsafe {
        imaged(file, ffi::SQLITE_IOERR_WRITE, |image, _| {
            image.write(
                at as usize,
                std::slice::from_raw_parts(from.cast::<u8>(), length as usize),
            );
            ffi::SQLITE_OK
        })
    };
    written.unwrap_or_else(|| pass!(file, xWrite, from, length, at))
}

unsafe extern "C" fn truncate(file: RawFile, length: ffi::sqlite3_int64) -> c_int {
    let cut = unsafe {
        imaged(file, ffi::SQLITE_IOERR_TRUNCATE, |image, _| {
            image.truncate(length as usize);
            ffi::SQLITE_OK
        })
    };
    cut.unwrap_or_else(|| pass!(file, xTruncate, length))
}

unsafe extern "C" fn sync(file: RawFile, flags: c_int) -> c_int {
    let flushed = unsafe {
        imaged(file, ffi::SQLITE_IOERR_FSYNC, |image, flushes| {
            *flushes += 1;
            image.flush().map_or(ffi::SQLITE_IOERR_FSYNC, |()| ffi::SQLITE_OK)
        })
    };
    flushed.unwrap_or_else(|| pass!(file, xSync, flags))
}

unsafe extern "C" fn file_size(file: RawFile, out: *mut ffi::sqlite3_int64) -> c_int {
    let told = unsafe {
        imaged(file, ffi::SQLITE_IOERR_FSTAT, |image, _| {
            *out = image.bytes.len() as ffi::sqlite3_int64;
            ffi::SQLITE_OK
        })
    };
    told.unwrap_or_else(|| pass!(file, xFileSize, out))
}

unsafe extern "C" fn lock(file: RawFile, level: c_int) -> c_int {
    pass!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: RawFile, level: c_int) -> c_int {
    pass!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: RawFile, out: *mut c_int) -> c_int {
    pass!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(file: RawFile, what: c_int, argument: *mut c_void) -> c_int {
    // These would make the file below grow, past the image.
    if what == ffi::SQLITE_FCNTL_SIZE_HINT || what == ffi::SQLITE_FCNTL_CHUNK_SIZE {
        return ffi::SQLITE_OK;
    }
    pass!(file, xFileControl, what, argument)
}

unsafe extern "C" fn sector_size(file: RawFile) -> c_int {
    pass!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: RawFile) -> c_int {
    pass!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(file: RawFile, page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int {
    pass!(file, xShmMap, page, size, extend, out)
}

unsafe extern "C" fn shm_lock(file: RawFile, offset: c_int, count: c_int, flags: c_int) -> c_int {
    pass!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: RawFile) {
    let below = unsafe { below(file) };
    if let Some(barrier) = unsafe { (*(*below).pMethods).xShmBarrier } {
        unsafe { barrier(below) };
    }
}

unsafe extern "C" fn shm_unmap(file: RawFile, and_delete: c_int) -> c_int {
    pass!(file, xShmUnmap, and_delete)
}
