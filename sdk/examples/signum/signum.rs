//! signum.c once more, in Rust without any crate: the same bits.
mod assay;

use assay::*;
use std::ffi::c_void;
use std::mem::size_of;
use std::os::raw::{c_char, c_int};
use std::ptr::null;

#[repr(C)]
struct Signum {
    lr: f64,
    momentum: f64,
    weight_decay: f64,
}

const fn real(name: *const c_char, offset: u64, def: f64, max: f64, doc: *const c_char) -> Hyper {
    Hyper {
        name,
        offset,
        kind: TYPE_REAL,
        def,
        min: 0.0,
        max,
        doc,
        flags: 0,
        tune_min: 0.0,
        tune_max: 0.0,
        unit: null(),
        choices: null(),
        n_choices: 0,
        def_string: null(),
        component_kind: null(),
    }
}

static HYPERS: Table<[Hyper; 3]> = Table([
    Hyper {
        flags: TUNE | LOG | SCHED,
        tune_min: 1e-5,
        tune_max: 1e-1,
        ..real(text!("lr"), 0, 1e-3, f64::INFINITY, text!("learning rate"))
    },
    Hyper {
        flags: OPEN_MAX | SCHED,
        ..real(text!("momentum"), 8, 0.9, 1.0, text!("share of the momentum that is kept"))
    },
    Hyper {
        flags: TUNE | LOG,
        tune_min: 1e-4,
        tune_max: 1.0,
        ..real(text!("weight_decay"), 16, 0.0, 1.0, text!("decoupled weight decay"))
    },
]);

static SLOTS: Table<[Slot; 1]> = Table([Slot {
    name: text!("m"),
    shape: 0,
    init: 0.0,
    times: null(),
    when: null(),
    limit: null(),
    flags: 0,
}]);

/// The loop, in safe Rust; nothing in it can panic.
fn step(h: &Signum, g: &[f32], w: &mut [f32], m: &mut [f32]) {
    let (keep, take) = (h.momentum as f32, (1.0 - h.momentum) as f32);
    let (lr, decay) = (h.lr as f32, (h.lr * h.weight_decay) as f32);
    for ((w, m), g) in w.iter_mut().zip(m.iter_mut()).zip(g) {
        *m = keep * *m + take * *g;
        let sign = (*m > 0.0) as i32 - (*m < 0.0) as i32;
        *w -= lr * sign as f32 + decay * *w;
    }
}

unsafe extern "C" fn update(_: *mut Ctx, hyper: *const c_void, _: *const Step, span: *const Span) -> c_int {
    let s = &*span;
    let n = s.n as usize;
    if n > 0 {
        step(
            &*(hyper as *const Signum),
            std::slice::from_raw_parts(s.g, n),
            std::slice::from_raw_parts_mut(s.w, n),
            std::slice::from_raw_parts_mut(*s.slot, n),
        );
    }
    OK
}

static OPS: Table<Optimizer> = Table(Optimizer {
    struct_size: size_of::<Optimizer>() as u64,
    elem: Some(update),
    tensor: null(),
    model: null(),
    slots: &SLOTS.0 as *const Slot,
    n_slots: 1,
    slot_stride: size_of::<Slot>() as u64,
    validate: null(),
    n_sums: 0,
    reduce: null(),
    combine: null(),
    eval_weights: null(),
    metrics: null(),
    n_metrics: 0,
    metric_stride: 0,
    create: null(),
    destroy: null(),
    save: null(),
    load: null(),
    accept: null(),
    special_cases: null(),
    n_special_cases: 0,
    special_case_stride: 0,
});

/// What `assay plugin list` reads without running anything. The two texts are records of one section.
const COMPONENT_INFO: &str =
    "assay.component\nkind=optimizer\nid=signum_rust\nversion=0.1.0\ndoc=Signum: the sign of the momentum, in Rust\n\0";
const PLUGIN_INFO: &str = concat!(
    "assay.plugin\nname=signum_rust\nversion=0.1.0\nabi=0.0\ntarget=0\ndraft=",
    env!("ASSAY_DRAFT", "set it to what `pkg-config --variable=draft assay-plugin` prints"),
    "\n\0"
);

const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut out = [0u8; N];
    let mut i = 0;
    while i < N {
        out[i] = text.as_bytes()[i];
        i += 1;
    }
    out
}

#[used]
#[link_section = ".assay_info"]
static COMPONENT_RECORD: [u8; COMPONENT_INFO.len()] = bytes(COMPONENT_INFO);
#[used]
#[link_section = ".assay_info"]
static PLUGIN_RECORD: [u8; PLUGIN_INFO.len()] = bytes(PLUGIN_INFO);

static COMPONENT: Table<Component> = Table(Component {
    struct_size: size_of::<Component>() as u64,
    kind: text!("optimizer"),
    id: text!("signum_rust"),
    version: text!("0.1.0"),
    doc: text!("Signum: the sign of the momentum, in Rust"),
    hypers: &HYPERS.0 as *const Hyper,
    n_hypers: 3,
    hyper_stride: size_of::<Hyper>() as u64,
    hyper_bytes: size_of::<Signum>() as u64,
    ops: &OPS.0 as *const Optimizer as *const c_void,
    info: &COMPONENT_RECORD as *const u8 as *const c_char,
});

static COMPONENTS: Table<[*const Component; 1]> = Table([&COMPONENT.0]);

static PLUGIN: Table<Plugin> = Table(Plugin {
    struct_size: size_of::<Plugin>() as u64,
    abi_major: 0,
    header_minor: 0,
    target_minor: 0,
    draft_hash: hash_of(env!("ASSAY_DRAFT")),
    name: text!("signum_rust"),
    version: text!("0.1.0"),
    license: null(),
    url: null(),
    components: &COMPONENTS.0 as *const *const Component,
    n_components: 1,
    info: &PLUGIN_RECORD as *const u8 as *const c_char,
});

#[no_mangle]
pub extern "C" fn assay_plugin_v0(_host: *const c_void) -> *const Plugin {
    &PLUGIN.0
}
