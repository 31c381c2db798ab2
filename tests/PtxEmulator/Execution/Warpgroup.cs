using System.Runtime.CompilerServices;

using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>Four warps whose first has an index that is a multiple of four. They execute the same sequence of
/// <c>wgmma</c> instructions, though not at the same time: the first that arrives at an instruction reads the matrices
/// for all.</summary>
/// <param name="first">The index of the first warp.</param>
internal sealed unsafe class Warpgroup(int first)
{
    public const int WarpCount = 4;

    private const int MaxRows = 256;

    // The steps that some of the warps have not reached; the first has the sequence number _firstStep.
    private readonly List<WarpgroupStep> _steps = [];
    private readonly Stack<WarpgroupStep> _free = new();
    private readonly long[] _counts = new long[WarpCount];
    private long _firstStep;

    /// <summary>The index of the first warp.</summary>
    public int First => first;

    public void Reset()
    {
        foreach (WarpgroupStep step in _steps)
            _free.Push(step);
        _steps.Clear();
        Array.Clear(_counts);
        _firstStep = 0;
    }

    /// <summary>Checks, when all warps have ended, that they executed the same number of steps.</summary>
    public void RequireSameCount(Warp[] warps)
    {
        long most = _counts.Max();
        int missing = Array.FindIndex(_counts, count => count < most);
        if (missing < 0)
            return;
        WarpgroupStep step = _steps[(int)(_counts[missing] - _firstStep)];
        throw warps[first + missing].Fault(PtxFaultKind.WarpgroupDivergence, $"warp {first + missing} ends without "
            + $"'{step.Instruction.Text}' (line {step.Instruction.Source?.Line}), which another warp of its warpgroup "
            + $"(warps {first} to {first + WarpCount - 1}) executed; all four must execute the same sequence", 0);
    }

    /// <summary>Moves a warp to its next step. The step is null if the warp is the first to reach it.</summary>
    /// <param name="warp">The warp.</param>
    /// <param name="instruction">The instruction that the warp executes.</param>
    /// <param name="a">The descriptor of A; 0 if there is none.</param>
    /// <param name="b">The descriptor of B; 0 if there is none.</param>
    /// <param name="accumulates">Whether the instruction accumulates.</param>
    public WarpgroupStep? Find(Warp warp, Instruction instruction, ulong a, ulong b, bool accumulates)
    {
        int index = (int)(_counts[warp.Index - first] - _firstStep);
        if (index == _steps.Count)
            return null;
        WarpgroupStep step = _steps[index];
        if (step.Instruction != instruction)
        {
            throw warp.Fault(PtxFaultKind.WarpgroupDivergence, $"another warp of the warpgroup (warps {first} to "
                + $"{first + WarpCount - 1}) executes '{step.Instruction.Text}' (line "
                + $"{step.Instruction.Source?.Line}) in its place; all four must execute the same sequence", 0);
        }
        if (step.DescriptorA != a || step.DescriptorB != b || step.Accumulates != accumulates)
        {
            throw warp.Fault(PtxFaultKind.WarpgroupDivergence, $"the operands must be the same in the four warps of "
                + $"the warpgroup (from warp {first}); here a-descriptor 0x{a:x16}, b-descriptor 0x{b:x16}, scale-d "
                + $"{accumulates}, in another warp 0x{step.DescriptorA:x16}, 0x{step.DescriptorB:x16}, "
                + $"{step.Accumulates}", 0);
        }
        if (step.Read != null)
            Issue(warp, step);
        Advance(warp);
        return step;
    }

    /// <summary>Starts the product that a warp is the first to reach.</summary>
    /// <inheritdoc cref="Find"/>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public WarpgroupStep Begin(Warp warp, WarpgroupMmaInstruction instruction, ulong a, ulong b, bool accumulates)
    {
        uint* addresses = stackalloc uint[MaxRows * MatrixDescriptor.CoresAlongDepth];
        if (!_free.TryPop(out WarpgroupStep? step))
            step = new WarpgroupStep();
        int size = instruction.Columns * WarpgroupMmaInstruction.Depth;
        if (step.B.Length < size)
            step.B = new float[size];
        byte* bytes = warp.Block.Shared.Bytes;
        step.Read = warp.Block.Shared.BeginRead(first);
        if (instruction.A == null)
        {
            Locate(warp, new MatrixDescriptor(a), isA: true, WarpgroupMmaInstruction.Rows, instruction.IsTransposedA,
                addresses, step.Read);
            fixed (float* rows = step.A)
                WarpgroupOperand.ConvertA(bytes, addresses, instruction, rows);
        }
        Locate(warp, new MatrixDescriptor(b), isA: false, instruction.Columns, instruction.IsTransposedB, addresses,
            step.Read);
        fixed (float* columns = step.B)
            WarpgroupOperand.ConvertB(bytes, addresses, instruction, columns);
        warp.Block.Counters[instruction.Index].WarpgroupBytes
            += step.Read.Addresses.Length * MatrixDescriptor.ChunkBytes;
        Issue(warp, step);
        Add(warp, step, instruction, a, b, accumulates);
        return step;
    }

    /// <summary>Executes an instruction that has no matrices.</summary>
    public void Pass(Warp warp, Instruction instruction)
    {
        if (Find(warp, instruction, 0, 0, false) != null)
            return;
        WarpgroupStep step = _free.TryPop(out WarpgroupStep? free) ? free : new WarpgroupStep();
        step.Read = null;
        Add(warp, step, instruction, 0, 0, false);
    }

    /// <summary>Checks and notes what a warp reads.</summary>
    private static void Issue(Warp warp, WarpgroupStep step)
    {
        if (warp.Block.Shared.Issue(warp.Index, step.Read!) is (PtxFaultKind kind, uint address))
        {
            MemoryFaults.ThrowProduct(warp, address, kind, step.Read!.IsOfA(address)
                ? "the matrix A of the a-descriptor" : "the matrix B of the b-descriptor");
        }
    }

    private void Add(Warp warp, WarpgroupStep step, Instruction instruction, ulong a, ulong b, bool accumulates)
    {
        (step.Instruction, step.DescriptorA, step.DescriptorB, step.Accumulates) = (instruction, a, b, accumulates);
        _steps.Add(step);
        Advance(warp);
    }

    private void Advance(Warp warp)
    {
        _counts[warp.Index - first]++;
        while (_steps.Count > 1 && Array.TrueForAll(_counts, count => count > _firstStep))
        {
            _free.Push(_steps[0]);
            _steps.RemoveAt(0);
            _firstStep++;
        }
    }

    private static void Locate(Warp warp, MatrixDescriptor descriptor, bool isA, int count, bool isTransposed,
        uint* addresses, ProductRead read)
    {
        char matrix = isA ? 'a' : 'b';
        if (descriptor.FindProblem() is { } problem)
        {
            throw warp.Fault(PtxFaultKind.InvalidDescriptor, $"in the {matrix}-descriptor 0x{descriptor.Bits:x16} "
                + problem, 0);
        }
        (uint lowest, uint highest) = descriptor.Locate(count / MatrixDescriptor.CoreRows, isTransposed, addresses);
        int byteCount = warp.Block.Shared.ByteCount;
        if (highest + MatrixDescriptor.ChunkBytes > byteCount)
        {
            throw warp.Fault(PtxFaultKind.OutOfBounds, $"the {matrix}-descriptor 0x{descriptor.Bits:x16} (start "
                + $"0x{descriptor.Start:x}, leading offset {descriptor.Leading}, stride offset {descriptor.Stride}, "
                + $"swizzle {(descriptor.Mode == 0 ? "none" : $"{descriptor.RowBytes} bytes")}) reads up to "
                + $"0x{highest + MatrixDescriptor.ChunkBytes:x}, but the block has {byteCount} bytes of shared memory",
                0, highest);
        }
        read.Add(new ReadOnlySpan<uint>(addresses, count * MatrixDescriptor.CoresAlongDepth), lowest, highest, isA);
    }
}
