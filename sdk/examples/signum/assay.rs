//! What an optimizer of the `elem` tier needs of assay's plugin contract, as Rust sees it. The C headers are the contract; this
//! mirrors those structs field by field, and the assertions at the end hold it to their sizes on 64-bit machines.
#![allow(dead_code)]

use std::ffi::c_void;
use std::os::raw::{c_char, c_int};

pub const OK: c_int = 0;

pub const TYPE_REAL: u64 = 1;
pub const OPEN_MAX: u64 = 2;
pub const LOG: u64 = 4;
pub const TUNE: u64 = 8;
pub const SCHED: u64 = 16;

#[repr(C)]
pub struct Ctx {
    pub struct_size: u64,
    pub host: *const c_void,
    pub own: *mut c_void,
}

#[repr(C)]
pub struct Hyper {
    pub name: *const c_char,
    pub offset: u64,
    pub kind: u64,
    pub def: f64,
    pub min: f64,
    pub max: f64,
    pub doc: *const c_char,
    pub flags: u64,
    pub tune_min: f64,
    pub tune_max: f64,
    pub unit: *const c_char,
    pub choices: *const *const c_char,
    pub n_choices: u64,
    pub def_string: *const c_char,
    pub component_kind: *const c_char,
}

#[repr(C)]
pub struct Slot {
    pub name: *const c_char,
    pub shape: u64,
    pub init: f64,
    pub times: *const c_char,
    pub when: *const c_char,
    pub limit: *const c_char,
    pub flags: u64,
}

#[repr(C)]
pub struct Step {
    pub struct_size: u64,
    pub t: u64,
    pub loss: f64,
    pub sums: *const f64,
    pub global: *mut f64,
    pub draw: u64,
    pub n_tensors: u64,
    pub n_elements: u64,
    pub clip: f64,
}

#[repr(C)]
pub struct Span {
    pub struct_size: u64,
    pub tensor: *const c_void,
    pub begin: u64,
    pub n: u64,
    pub w: *mut f32,
    pub g: *const f32,
    pub slot: *const *mut f32,
    pub slot_stride: u64,
    pub sums: *const f64,
    pub hyper: *const c_void,
    pub draw: u64,
}

pub type Elem = unsafe extern "C" fn(*mut Ctx, *const c_void, *const Step, *const Span) -> c_int;

/// Callbacks that this example leaves out are null pointers.
#[repr(C)]
pub struct Optimizer {
    pub struct_size: u64,
    pub elem: Option<Elem>,
    pub tensor: *const c_void,
    pub model: *const c_void,
    pub slots: *const Slot,
    pub n_slots: u64,
    pub slot_stride: u64,
    pub validate: *const c_void,
    pub n_sums: u64,
    pub reduce: *const c_void,
    pub combine: *const c_void,
    pub eval_weights: *const c_void,
    pub metrics: *const c_void,
    pub n_metrics: u64,
    pub metric_stride: u64,
    pub create: *const c_void,
    pub destroy: *const c_void,
    pub save: *const c_void,
    pub load: *const c_void,
    pub accept: *const c_void,
    pub special_cases: *const c_void,
    pub n_special_cases: u64,
    pub special_case_stride: u64,
}

#[repr(C)]
pub struct Component {
    pub struct_size: u64,
    pub kind: *const c_char,
    pub id: *const c_char,
    pub version: *const c_char,
    pub doc: *const c_char,
    pub hypers: *const Hyper,
    pub n_hypers: u64,
    pub hyper_stride: u64,
    pub hyper_bytes: u64,
    pub ops: *const c_void,
    pub info: *const c_char,
}

#[repr(C)]
pub struct Plugin {
    pub struct_size: u64,
    pub abi_major: u32,
    pub header_minor: u32,
    pub target_minor: u64,
    pub draft_hash: u64,
    pub name: *const c_char,
    pub version: *const c_char,
    pub license: *const c_char,
    pub url: *const c_char,
    pub components: *const *const Component,
    pub n_components: u64,
    pub info: *const c_char,
}

/// Tables of pointers are constant once the file is loaded, so threads may share them.
#[repr(transparent)]
pub struct Table<T>(pub T);
unsafe impl<T> Sync for Table<T> {}

/// A text with its NUL, as C wants it: text!("lr").
#[macro_export]
macro_rules! text {
    ($s:expr) => {
        concat!($s, "\0").as_ptr() as *const std::os::raw::c_char
    };
}

/// The number that 0x... stands for, as `pkg-config --variable=draft assay-plugin` prints it.
pub const fn hash_of(written: &str) -> u64 {
    let bytes = written.as_bytes();
    let mut value = 0u64;
    let mut i = 2;
    while i < bytes.len() {
        let digit = match bytes[i] {
            b @ b'0'..=b'9' => b - b'0',
            b @ b'a'..=b'f' => b - b'a' + 10,
            _ => break, // ULL
        };
        value = value * 16 + digit as u64;
        i += 1;
    }
    value
}

const _: () = assert!(std::mem::size_of::<Hyper>() == 120);
const _: () = assert!(std::mem::size_of::<Slot>() == 56);
const _: () = assert!(std::mem::size_of::<Step>() == 72);
const _: () = assert!(std::mem::size_of::<Span>() == 88);
const _: () = assert!(std::mem::size_of::<Optimizer>() == 184);
const _: () = assert!(std::mem::size_of::<Component>() == 88);
const _: () = assert!(std::mem::size_of::<Plugin>() == 88);
