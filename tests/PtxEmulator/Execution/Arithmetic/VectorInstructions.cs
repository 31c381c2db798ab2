using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>An instruction with one operand that processes whole chunks of lanes.</summary>
internal sealed unsafe class UnaryInstruction<TOperation, T>(int destination, int a) : Instruction
    where TOperation : IUnaryOperation<T>
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (int chunk = 0; chunk < Lanes.ChunkCount<T>(); chunk++)
            Lanes.Store(registers + destination, chunk, TOperation.Run(Lanes.Load<T>(registers + a, chunk)), mask);
    }
}

internal sealed unsafe class BinaryInstruction<TOperation, T>(int destination, int a, int b) : Instruction
    where TOperation : IBinaryOperation<T>
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (int chunk = 0; chunk < Lanes.ChunkCount<T>(); chunk++)
        {
            Lanes.Store(registers + destination, chunk,
                TOperation.Run(Lanes.Load<T>(registers + a, chunk), Lanes.Load<T>(registers + b, chunk)), mask);
        }
    }
}

internal sealed unsafe class TernaryInstruction<TOperation, T>(int destination, int a, int b, int c) : Instruction
    where TOperation : ITernaryOperation<T>
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (int chunk = 0; chunk < Lanes.ChunkCount<T>(); chunk++)
        {
            Lanes.Store(registers + destination, chunk, TOperation.Run(Lanes.Load<T>(registers + a, chunk),
                Lanes.Load<T>(registers + b, chunk), Lanes.Load<T>(registers + c, chunk)), mask);
        }
    }
}

/// <summary>Selects one of two operands by a predicate.</summary>
internal sealed unsafe class SelectInstruction<T>(int destination, int a, int b, int predicate, uint flip) : Instruction
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        uint chosen = *(uint*)(registers + predicate) ^ flip;
        for (int chunk = 0; chunk < Lanes.ChunkCount<T>(); chunk++)
        {
            Lanes.Store(registers + destination, chunk, Vector512.ConditionalSelect(Lanes.Expand<T>(chosen, chunk),
                Lanes.Load<T>(registers + a, chunk), Lanes.Load<T>(registers + b, chunk)), mask);
        }
    }
}

/// <summary>Shifts all threads by the same number of bits.</summary>
internal sealed unsafe class ShiftInstruction<T>(int destination, int a, int count, ShiftKind kind) : Instruction
    where T : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        byte* registers = warp.Registers;
        for (int chunk = 0; chunk < Lanes.ChunkCount<T>(); chunk++)
        {
            if (sizeof(T) == sizeof(uint))
                Lanes.Store(registers + destination, chunk, Shift(Lanes.Load<uint>(registers + a, chunk)), mask);
            else
                Lanes.Store(registers + destination, chunk, Shift(Lanes.Load<ulong>(registers + a, chunk)), mask);
        }
    }

    private Vector512<uint> Shift(Vector512<uint> value) => kind switch
    {
        ShiftKind.Arithmetic => Vector512.ShiftRightArithmetic(value.AsInt32(), Math.Min(count, 31)).AsUInt32(),
        _ when count > 31 => Vector512<uint>.Zero,
        ShiftKind.Left => value << count,
        _ => value >>> count,
    };

    private Vector512<ulong> Shift(Vector512<ulong> value) => kind switch
    {
        ShiftKind.Arithmetic => Vector512.ShiftRightArithmetic(value.AsInt64(), Math.Min(count, 63)).AsUInt64(),
        _ when count > 63 => Vector512<ulong>.Zero,
        ShiftKind.Left => value << count,
        _ => value >>> count,
    };
}

internal enum ShiftKind
{
    Left,
    Logical,
    Arithmetic,
}
