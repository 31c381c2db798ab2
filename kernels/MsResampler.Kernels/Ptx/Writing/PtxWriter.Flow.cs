namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Branches, barriers and exchange between threads.</content>
internal sealed partial class PtxWriter
{
    /// <summary>Executes a body in the threads whose condition is true. PTX ISA, Control Flow Instructions:
    /// bra.</summary>
    public void If(Predicate condition, Action body)
    {
        string end = NewLabel();
        Emit($"{Guard(!condition)}bra {end}");
        body();
        Place(end);
    }

    /// <summary>Executes a body, which returns whether it is repeated. The threads of a warp agree. PTX ISA, Control
    /// Flow Instructions: bra.</summary>
    public void Repeat(Func<Predicate> body)
    {
        string start = NewLabel();
        Place(start);
        Emit($"{Guard(body())}bra.uni {start}");
    }

    /// <summary>Waits for all threads of the block, and orders their accesses to memory. PTX ISA, Parallel
    /// Synchronization and Communication Instructions: bar.</summary>
    public void Barrier() => Emit($"bar.sync 0");

    /// <summary>The value of the lane whose number differs in the bits of a mask; all lanes take part. PTX ISA, Data
    /// Movement and Conversion Instructions: shfl.sync.</summary>
    public F32 ShuffleXor(F32 value, int mask) => FloatOf("shfl.sync.bfly.b32", $"{value}, {mask}, 31, -1");

    /// <summary>The value of lane 0; all lanes take part. The assembler then knows that it is the same in the warp, and
    /// keeps what depends on it in uniform registers. PTX ISA, Data Movement and Conversion Instructions:
    /// shfl.sync.</summary>
    public U32 OfFirstLane(U32 value) => IntegerOf("shfl.sync.idx.b32", $"{value}, 0, 31, -1");

    /// <summary>Allows the kernels that depend on this one to begin; they wait in turn. PTX ISA, Parallel
    /// Synchronization and Communication Instructions: griddepcontrol.</summary>
    public void StartDependents() => Emit(s_dependencies, $"griddepcontrol.launch_dependents");

    /// <summary>Waits until the kernels that this one depends on have ended and their results are visible; returns at
    /// once if the launch has no such dependency. PTX ISA, Parallel Synchronization and Communication Instructions:
    /// griddepcontrol.</summary>
    public void WaitForDependencies() => Emit(s_dependencies, $"griddepcontrol.wait");

    private static Predicate? Guard(Predicate condition) => condition;

    private void Place(string label) => _body.Append(label).Append(":\n");
}
