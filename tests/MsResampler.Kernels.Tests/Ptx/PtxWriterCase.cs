using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>A member of the writer or of its values, and what it emits.</summary>
/// <param name="Name">A name for display.</param>
/// <param name="Write">Calls the member.</param>
/// <param name="Lines">The expected lines.</param>
internal sealed record PtxWriterCase(string Name, Action<PtxWriter> Write, params string[] Lines)
{
    /// <summary>Operands, whose numbers differ from those of results.</summary>
    private const int First = 10;

    /// <summary>All members.</summary>
    public static IReadOnlyList<PtxWriterCase> All { get; } =
    [
        new("Thread", w => _ = w.Thread, "mov.u32 %r0, %tid.x;"),
        new("Block", w => _ = w.Block, "mov.u32 %r0, %ctaid.x;"),
        new("BlockCount", w => _ = w.BlockCount, "mov.u32 %r0, %nctaid.x;"),
        new("View", w => w.View("x", 4), "ld.param.u64 %rd0, [x];"),
        new("View.Address", w => _ = w.View("y", 4).Address, "ld.param.u64 %rd0, [y];"),
        new("View.Length", w => _ = w.View("z", 4).Length, "ld.param.u64 %rd0, [z];", "ld.param.u32 %r0, [z+8];"),
        new("Structure", w => w.Structure<GemmScaling>("scaling")),
        new("Structure.Integer", w => w.Structure<GemmScaling>("indices").Integer(nameof(GemmScaling.TableQuads)),
            "ld.param.u32 %r0, [indices+12];"),
        new("Structure.Float", w => w.Structure<GemmScaling>("floats").Float(nameof(GemmScaling.RootEpsilon)),
            "ld.param.f32 %f0, [floats+16];"),
        new("Integer", w => w.Integer("n"), "ld.param.u32 %r0, [n+0];"),
        new("DynamicShared", w => w.DynamicShared(128), "mov.u32 %r0, shared_memory;"),
        new("Variable", w => w.Variable(-1), "mov.b32 %r0, 4294967295;"),
        new("FloatVariable", w => w.FloatVariable(1.5f), "mov.f32 %f0, 0f3FC00000;"),
        new("Floats", w => w.Set(w.Floats(3)[2], w.FloatVariable(0)), "mov.f32 %f3, 0f00000000;", "mov.f32 %f2, %f3;"),
        new("Addresses", w => w.Set(w.Addresses(3)[2], w.Addresses(1)[0]), "mov.b64 %rd2, %rd3;"),
        new("Set, integer", w => w.Set(R(w, 0), R(w, 1)), "mov.b32 %r10, %r11;"),
        new("Set, address", w => w.Set(A(w, 0), A(w, 1)), "mov.b64 %rd10, %rd11;"),
        new("Set, float", w => w.Set(F(w, 0), -0f), "mov.f32 %f10, 0f80000000;"),
        new("+", w => _ = R(w, 0) + R(w, 1), "add.u32 %r0, %r10, %r11;"),
        new("-", w => _ = 100 - R(w, 1), "sub.u32 %r0, 100, %r11;"),
        new("*", w => _ = R(w, 0) * 7, "mul.lo.u32 %r0, %r10, 7;"),
        new("/", w => _ = R(w, 0) / R(w, 1), "div.u32 %r0, %r10, %r11;"),
        new("%", w => _ = R(w, 0) % 7, "rem.u32 %r0, %r10, 7;"),
        new("&", w => _ = R(w, 0) & 7, "and.b32 %r0, %r10, 7;"),
        new("^", w => _ = R(w, 0) ^ R(w, 1), "xor.b32 %r0, %r10, %r11;"),
        new("<", w => _ = R(w, 0) < 7, "setp.lt.u32 %p0, %r10, 7;"),
        new(">", w => _ = R(w, 0) > 7, "setp.gt.u32 %p0, %r10, 7;"),
        new("<=", w => _ = R(w, 0) <= 7, "setp.le.u32 %p0, %r10, 7;"),
        new(">=", w => _ = R(w, 0) >= 7, "setp.ge.u32 %p0, %r10, 7;"),
        new("IsNot", w => R(w, 0).IsNot(R(w, 1)), "setp.ne.u32 %p0, %r10, %r11;"),
        new("Min", w => w.Min(R(w, 0), R(w, 1)), "min.u32 %r0, %r10, %r11;"),
        new("Max", w => w.Max(R(w, 0), 7), "max.u32 %r0, %r10, 7;"),
        new("MultiplyAdd", w => w.MultiplyAdd(5, R(w, 0), R(w, 1)), "mad.lo.u32 %r0, 5, %r10, %r11;"),
        new("WideMultiplyAdd", w => w.WideMultiplyAdd(R(w, 0), 16, A(w, 0)), "mad.wide.u32 %rd0, %r10, 16, %rd10;"),
        new("Widen", w => w.Widen(R(w, 0)), "cvt.u64.u32 %rd0, %r10;"),
        new("+, addresses", w => _ = A(w, 0) + A(w, 1), "add.u64 %rd0, %rd10, %rd11;"),
        new("+, address and number", w => _ = A(w, 0) + (1L << 62), "add.u64 %rd0, %rd10, 4611686018427387904;"),
        new("+, floats", w => _ = F(w, 0) + F(w, 1), "add.rn.f32 %f0, %f10, %f11;"),
        new("*, floats", w => _ = F(w, 0) * 2, "mul.rn.f32 %f0, %f10, 0f40000000;"),
        new("/, floats", w => _ = 1 / F(w, 0), "div.rn.f32 %f0, 0f3F800000, %f10;"),
        new("<, floats", w => _ = F(w, 0) < F(w, 1), "setp.lt.f32 %p0, %f10, %f11;"),
        new(">, floats", w => _ = F(w, 0) > F(w, 1), "setp.lt.f32 %p0, %f11, %f10;"),
        new("Fma", w => w.Fma(F(w, 0), F(w, 1), F(w, 2)), "fma.rn.f32 %f0, %f10, %f11, %f12;"),
        new("SetFma", w => w.SetFma(F(w, 0), F(w, 1), F(w, 2), P(w, 0)), "@%p10 fma.rn.f32 %f10, %f11, %f12, %f10;"),
        new("Max, floats", w => w.Max(F(w, 0), 0f), "max.f32 %f0, %f10, 0f00000000;"),
        new("Min, floats", w => w.Min(F(w, 0), float.PositiveInfinity), "min.f32 %f0, %f10, 0f7F800000;"),
        new("SetMaxOrNaN", w => w.SetMaxOrNaN(F(w, 0), F(w, 1), !P(w, 0)), "@!%p10 max.NaN.f32 %f10, %f10, %f11;"),
        new("Abs", w => w.Abs(F(w, 0)), "abs.f32 %f0, %f10;"),
        new("ReciprocalSqrt", w => w.ReciprocalSqrt(F(w, 0)), "rsqrt.approx.ftz.f32 %f0, %f10;"),
        new("ToFloat", w => w.ToFloat(R(w, 0)), "cvt.rn.f32.u32 %f0, %r10;"),
        new("Pack, float16", w => w.Pack(MatrixType.Float16, F(w, 0), F(w, 1)),
            "cvt.rn.f16x2.f32 %r0, %f11, %f10;"),
        new("Pack, bfloat16", w => w.Pack(MatrixType.BFloat16, F(w, 0), F(w, 1)),
            "cvt.rn.bf16x2.f32 %r0, %f11, %f10;"),
        new("Select", w => w.Select(P(w, 0), R(w, 0), 5), "selp.b32 %r0, %r10, 5, %p10;"),
        new("SelectFloat", w => w.SelectFloat(!P(w, 0), F(w, 0), F(w, 1)), "selp.f32 %f0, %f11, %f10, %p10;"),
        new("& and !, predicates", w => _ = !P(w, 0) & P(w, 1), "not.pred %p0, %p10;", "and.pred %p1, %p0, %p11;"),
        new("|, predicates", w => _ = P(w, 0) | P(w, 1), "or.pred %p0, %p10, %p11;"),
        new("If", w => w.If(P(w, 0), () => w.Barrier()), "@!%p10 bra L_0;", "bar.sync 0;", "L_0:"),
        new("If, negated", w => w.If(!P(w, 0), w.Barrier), "@%p10 bra L_0;", "bar.sync 0;", "L_0:"),
        new("Repeat", w => w.Repeat(() => R(w, 0) < 9), "L_0:", "setp.lt.u32 %p0, %r10, 9;", "@%p0 bra.uni L_0;"),
        new("Barrier", w => w.Barrier(), "bar.sync 0;"),
        new("ShuffleXor", w => w.ShuffleXor(F(w, 0), 2), "shfl.sync.bfly.b32 %f0, %f10, 2, 31, -1;"),
        new("OfFirstLane", w => w.OfFirstLane(R(w, 0)), "shfl.sync.idx.b32 %r0, %r10, 0, 31, -1;"),
        new("StartDependents", w => w.StartDependents(), "griddepcontrol.launch_dependents;"),
        new("WaitForDependencies", w => w.WaitForDependencies(), "griddepcontrol.wait;"),
        new("LoadGlobal", w => w.LoadGlobal(A(w, 0)), "ld.global.u32 %r0, [%rd10];"),
        new("LoadGlobal, float", w => w.LoadGlobal(F(w, 0), A(w, 0), P(w, 0)), "@%p10 ld.global.f32 %f10, [%rd10];"),
        new("LoadGlobal, four floats", w => w.LoadGlobal(Quad(w), A(w, 0), 16, P(w, 0)),
            "@%p10 ld.global.v4.f32 {%f10, %f11, %f12, %f13}, [%rd10+16];"),
        new("StoreGlobal, float", w => w.StoreGlobal(A(w, 0), F(w, 0), P(w, 0)), "@%p10 st.global.f32 [%rd10], %f10;"),
        new("StoreGlobal, four floats", w => w.StoreGlobal(A(w, 0), -16, Quad(w), P(w, 0)),
            "@%p10 st.global.v4.f32 [%rd10+-16], {%f10, %f11, %f12, %f13};"),
        new("StoreGlobal, eight bytes", w => w.StoreGlobal(A(w, 0), 8, R(w, 0), R(w, 1), !P(w, 0)),
            "@!%p10 st.global.v2.b32 [%rd10+8], {%r10, %r11};"),
        new("MaxGlobal", w => w.MaxGlobal(A(w, 0), R(w, 0)), "red.global.max.s32 [%rd10], %r10;"),
        new("LoadShared", w => w.LoadShared(R(w, 0), 4), "ld.shared.f32 %f0, [%r10+4];"),
        new("StoreShared", w => w.StoreShared(R(w, 0), F(w, 0)), "st.shared.f32 [%r10], %f10;"),
        new("StartCopy", w => w.StartCopy(R(w, 0), 32, A(w, 0), R(w, 1)),
            "cp.async.cg.shared.global [%r10+32], [%rd10], 16, %r11;"),
        new("CommitCopies", w => w.CommitCopies(), "cp.async.commit_group;"),
        new("WaitForCopies", w => w.WaitForCopies(2), "cp.async.wait_group 2;"),
        new("FenceProducts", w => w.FenceProducts(), "fence.proxy.async.shared::cta;"),
        new("FenceSums", w => w.FenceSums(), "wgmma.fence.sync.aligned;"),
        new("MultiplyMatrices, float16", w => w.MultiplyMatrices(MatrixType.Float16, Quad(w), A(w, 0), A(w, 1), null),
            "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f10, %f11, %f12, %f13}, %rd10, %rd11, " +
            "1, 1, 1, 0, 0;"),
        new("MultiplyMatrices, bfloat16", w => w.MultiplyMatrices(MatrixType.BFloat16, Quad(w), A(w, 0), A(w, 1),
            P(w, 0)), "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f10, %f11, %f12, %f13}, %rd10, %rd11, " +
            "%p10, 1, 1, 0, 0;"),
        new("MultiplyMatrices, negated", w => w.MultiplyMatrices(MatrixType.BFloat16, Quad(w), A(w, 0), A(w, 1),
            !P(w, 0)), "not.pred %p0, %p10;",
            "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f10, %f11, %f12, %f13}, %rd10, %rd11, " +
            "%p0, 1, 1, 0, 0;"),
        new("CommitProducts", w => w.CommitProducts(), "wgmma.commit_group.sync.aligned;"),
        new("WaitForProducts", w => w.WaitForProducts(1), "wgmma.wait_group.sync.aligned 1;"),
    ];

    /// <summary>Makes the operands registers of the writer.</summary>
    public static void Declare(PtxWriter writer)
    {
        const int Count = First + 5;
        for (int index = 0; index < Count; index++)
            _ = writer.Variable(index).IsNot(0);
        foreach (F32 register in writer.Floats(Count))
            writer.Set(register, 0f);
        writer.Addresses(Count);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static U32 R(PtxWriter writer, int index) => U32.Register(writer, First + index);

    private static U64 A(PtxWriter writer, int index) => new(writer, First + index);

    private static F32 F(PtxWriter writer, int index) => F32.Register(writer, First + index);

    private static Predicate P(PtxWriter writer, int index) => new(writer, First + index);

    private static F32[] Quad(PtxWriter writer) => [.. Enumerable.Range(0, 4).Select(index => F(writer, index))];
}
