using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PtxEmulator.Counters;
using PtxEmulator.Decoding;

namespace PtxEmulator.Execution;

/// <summary>32 threads that execute together. Diverged threads reconverge where their paths meet: the threads at the
/// earliest instruction always run first, and the layout of the code puts every instruction after all paths that lead
/// to it without a back edge.</summary>
internal sealed unsafe partial class Warp : IDisposable
{
    private readonly KernelCode _code;
    private readonly List<(int Index, uint Mask)> _waiting = [];
    private byte* _registers;
    private int _next;
    private int _firstWaiting;
    private long _executed;

    public Warp(KernelCode code, Block block, int index)
    {
        _code = code;
        Block = block;
        Index = index;
        _registers = (byte*)NativeMemory.AlignedAlloc((nuint)code.RegisterBytes, Lanes.ChunkBytes);
        Addresses = (ulong*)NativeMemory.AlignedAlloc(Lanes.Count * sizeof(ulong), Lanes.ChunkBytes);
        Local = new LocalMemory(code.LocalBytes);
        Products = code.ProductRegisters is { } registers ? new PendingProducts(registers) : null;
    }

    public Block Block { get; }

    /// <summary>The index of the warp in its block.</summary>
    public int Index { get; }

    public byte* Registers => _registers;

    /// <summary>A scratch buffer with one address per thread.</summary>
    public ulong* Addresses { get; private set; }

    public LocalMemory Local { get; }

    /// <summary>A mask of the threads that exist.</summary>
    public uint Existing { get; private set; }

    /// <summary>A mask of the threads that have not exited.</summary>
    public uint Live { get; private set; }

    /// <summary>A mask of the threads at the current instruction, before its guard is applied.</summary>
    public uint Active { get; private set; }

    public WarpState State { get; set; }

    /// <summary>The carries of the extended-precision additions, one bit per thread.</summary>
    public uint Carries { get; set; }

    /// <summary>A mask of the threads whose accesses to global memory come after the launch before: all, or in a
    /// dependent launch those that have waited for it.</summary>
    public uint Ordered { get; set; }

    /// <summary>The instruction that faulted or waits.</summary>
    public Instruction Current { get; private set; } = null!;

    /// <summary>The number of executed instructions; the clock of the warp.</summary>
    public long Executed => _executed;

    /// <summary>Moves the warp to the start of the kernel.</summary>
    public void Reset(int threadCount)
    {
        Existing = threadCount >= Lanes.Count ? Lanes.All : (1u << threadCount) - 1;
        Live = Existing;
        Active = Existing;
        State = WarpState.Ready;
        Carries = 0;
        Ordered = Block.Launch.IsDependent ? 0 : Lanes.All;
        _next = 0;
        _executed = 0;
        _waiting.Clear();
        _firstWaiting = int.MaxValue;
        // Uninitialised registers contain a pattern, so that their use shows and does not depend on the previous
        // block.
        NativeMemory.Fill(_registers, (nuint)_code.RegisterBytes, 0xff);
        Local.Clear();
        ResetCopies();
        Products?.Reset();
    }

    /// <summary>Executes instructions until the count is exhausted or the warp waits or ends.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int instructionCount)
    {
        Instruction[] instructions = _code.Instructions;
        ExecutionCounters* executions = Block.Executions;
        int left = instructionCount;
        do
        {
            Instruction instruction = instructions[_next++];
            Current = instruction;
            _executed++;
            uint mask = Active & (*(uint*)(_registers + instruction.Guard) ^ instruction.GuardFlip);
            ExecutionCounters* execution = executions + instruction.Index;
            execution->Warps++;
            execution->Threads += BitOperations.PopCount(mask);
            if (mask != 0)
                instruction.Execute(this, mask);
            if (_next >= _firstWaiting)
                Reconverge();
        }
        while (--left > 0 && State == WarpState.Ready);
    }

    /// <summary>Moves the active threads of a mask to another instruction.</summary>
    public void Branch(int target, uint mask)
    {
        if (mask == Active)
        {
            _next = target;
            return;
        }
        Active &= ~mask;
        Wait(target, mask);
    }

    /// <summary>Ends the active threads of a mask.</summary>
    public void Exit(uint mask)
    {
        RequireNoCopies(mask);
        Products?.RequireNone(this, BitOperations.TrailingZeroCount(mask));
        Live &= ~mask;
        Active &= ~mask;
        if (Active != 0)
            return;
        if (_waiting.Count == 0)
            State = WarpState.Done;
        else
            _next = int.MaxValue;
    }

    public PtxFaultException Fault(PtxFaultKind kind, string detail, int lane, ulong? address = null)
    {
        Dim3 thread = Block.Size.PositionOf((Index * Lanes.Count) + lane);
        return new PtxFaultException(kind, detail, new FaultSite(_code.Name, Current.Text, Current.Source?.Line ?? 0,
            Block.Position, thread, address));
    }

    /// <summary>Checks that all threads of the warp execute the current instruction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void RequireWhole(uint mask)
    {
        if (mask != Lanes.All)
            ThrowPartial(mask, Lanes.All);
    }

    /// <summary>Checks that all threads of <paramref name="members"/> execute the current instruction.</summary>
    public void RequireMembers(uint mask, uint members)
    {
        if ((members & ~mask) != 0)
            ThrowPartial(mask, members);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_registers);
        NativeMemory.AlignedFree(Addresses);
        _registers = null;
        Addresses = null;
        Local.Dispose();
    }

    private void ThrowPartial(uint mask, uint expected)
    {
        int missing = BitOperations.TrailingZeroCount(expected & ~mask);
        throw Fault(PtxFaultKind.PartialWarp, $"the threads 0x{expected:x8} of warp {Index} must execute it together, "
            + $"only 0x{mask:x8} do", missing);
    }

    private void Wait(int index, uint mask)
    {
        int at = _waiting.FindIndex(group => group.Index == index);
        if (at >= 0)
            _waiting[at] = (index, _waiting[at].Mask | mask);
        else
            _waiting.Add((index, mask));
        _firstWaiting = Math.Min(_firstWaiting, index);
    }

    /// <summary>Continues with the threads at the earliest instruction, together with those that wait at the same
    /// one.</summary>
    private void Reconverge()
    {
        if (Active != 0)
            Wait(_next, Active);
        int first = 0;
        for (int index = 1; index < _waiting.Count; index++)
        {
            if (_waiting[index].Index < _waiting[first].Index)
                first = index;
        }
        (_next, Active) = _waiting[first];
        _waiting.RemoveAt(first);
        _firstWaiting = int.MaxValue;
        foreach ((int index, _) in _waiting)
            _firstWaiting = Math.Min(_firstWaiting, index);
    }
}
