namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Branches, barriers and exchange between threads.</content>
internal sealed partial class PtxWriter
{
    private static readonly PtxTarget s_dependencies = new(PtxVersion.Dependencies, 90);

    /// <summary>Executes a body in the threads whose condition is true. PTX ISA, Control Flow: bra.</summary>
    public void If(Predicate condition, Action body)
    {
        string end = NewLabel();
        Emit(!condition, $"bra {end}");
        body();
        Place(end);
    }

    /// <summary>Repeats a body as long as a condition is true before it. The threads of a warp agree. PTX ISA, Control
    /// Flow: bra.uni.</summary>
    public void While(Func<Predicate> condition, Action body)
    {
        string start = NewLabel();
        string end = NewLabel();
        Place(start);
        Emit(!condition(), $"bra.uni {end}");
        body();
        Emit($"bra.uni {start}");
        Place(end);
    }

    /// <summary>Repeats a body, which returns whether it is repeated again. The threads of a warp agree. PTX ISA,
    /// Control Flow: bra.uni.</summary>
    public void Repeat(Func<Predicate> body)
    {
        string start = NewLabel();
        Place(start);
        Emit(body(), $"bra.uni {start}");
    }

    /// <summary>Waits for all threads of the block, and orders their accesses to memory. PTX ISA, Parallel
    /// Synchronization: bar.sync.</summary>
    public void Barrier() => Emit("bar.sync 0");

    /// <summary>The value of the lane whose number differs in the bits of a mask; all lanes take part. PTX ISA, Data
    /// Movement: shfl.sync.bfly.</summary>
    public F32 ShuffleXor(F32 value, int mask)
    {
        F32 result = NewF32();
        Emit($"shfl.sync.bfly.b32 {result}, {value}, {TextOf("", (uint)mask)}, 31, -1");
        return result;
    }

    /// <summary>Allows the kernels that depend on this one to begin; they wait in turn. PTX ISA, Parallel
    /// Synchronization: griddepcontrol.</summary>
    public void StartDependents() => Emit(s_dependencies, "griddepcontrol.launch_dependents");

    /// <summary>Waits until the kernels that this one depends on have ended and their results are visible; returns at
    /// once if the launch has no such dependency. PTX ISA, Parallel Synchronization: griddepcontrol.</summary>
    public void WaitForDependencies() => Emit(s_dependencies, "griddepcontrol.wait");

    private void Place(string label) => _body.Append(label).Append(":\n");
}
