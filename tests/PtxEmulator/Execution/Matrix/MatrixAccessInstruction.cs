using System.Runtime.CompilerServices;
using PtxEmulator.Counters;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary><c>ldmatrix</c> and <c>stmatrix</c>: one, two or four matrices of 8×8 16-bit elements. Thread 8·m + r
/// provides the address of row r of matrix m. Thread l holds elements 2·(l mod 4) and 2·(l mod 4) + 1 of row l / 4,
/// or of that column if the matrix is transposed.</summary>
internal sealed unsafe class MatrixAccessInstruction : Instruction
{
    private const int Size = 8;
    private const int RowBytes = Size * sizeof(ushort);

    public required bool IsStore { get; init; }

    public required bool IsTransposed { get; init; }

    public required AddressSource Address { get; init; }

    /// <summary>Whether the addresses are generic; otherwise they are in shared memory.</summary>
    public required bool IsGeneric { get; init; }

    /// <summary>One register per matrix.</summary>
    public required int[] Registers { get; init; }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        ulong* addresses = warp.Addresses;
        Address.Compute(warp, addresses);
        if (IsStore)
            warp.Block.Shared.BeginWrite(warp.Index);
        int rows = Registers.Length * Size;
        for (int lane = 0; lane < rows; lane++)
            Check(warp, lane, ref addresses[lane]);
        uint members = rows == Lanes.Count ? Lanes.All : (1u << rows) - 1;
        warp.Block.Counters[Index].ExtraWavefronts += AccessPattern.CountExtraWavefronts(addresses, members, RowBytes);
        for (int matrix = 0; matrix < Registers.Length; matrix++)
        {
            ushort* elements = (ushort*)(warp.Registers + Registers[matrix]);
            for (int lane = 0; lane < Lanes.Count; lane++)
            {
                for (int half = 0; half < 2; half++)
                {
                    (int row, int column) = (lane >> 2, ((lane & 3) * 2) + half);
                    if (IsTransposed)
                        (row, column) = (column, row);
                    ulong address = addresses[(matrix * Size) + row] + (ulong)(column * sizeof(ushort));
                    ushort* memory = (ushort*)(warp.Block.Shared.Bytes + address);
                    if (IsStore)
                        *memory = elements[(2 * lane) + half];
                    else
                        elements[(2 * lane) + half] = *memory;
                }
            }
        }
    }

    private void Check(Warp warp, int lane, ref ulong address)
    {
        SharedMemory shared = warp.Block.Shared;
        if (IsGeneric)
            address -= AddressMap.Shared;
        if (address % RowBytes != 0)
            MemoryFaults.ThrowMisaligned(warp, lane, address, RowBytes);
        // A row is accessed by the thread that provides its address and by those that hold its elements. The
        // instruction waits for all threads of the warp but does not order memory.
        int row = lane % Size;
        uint threads = 1u << lane | (IsTransposed ? 0x1111_1111u << (row / 2) : 0xfu << (4 * row));
        PtxFaultKind? fault = shared.ByteCount < RowBytes || address > (ulong)(shared.ByteCount - RowBytes)
            ? PtxFaultKind.OutOfBounds
            : IsStore ? shared.Write(warp.Index, threads, (uint)address, RowBytes)
            : shared.Read(warp.Index, threads, (uint)address, RowBytes);
        if (fault is { } kind)
            MemoryFaults.ThrowShared(warp, lane, address, RowBytes, kind, IsStore);
    }
}
