using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary><c>ld</c>: one element or one vector per thread.</summary>
internal sealed unsafe class LoadInstruction : MemoryInstruction
{
    public required int ElementBytes { get; init; }

    /// <summary>Whether a narrow element is sign-extended.</summary>
    public required bool IsSigned { get; init; }

    public required (int Slot, int LaneBytes)[] Destinations { get; init; }

    protected override bool IsRead => true;

    protected override bool IsWrite => false;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void Transfer(Warp warp, uint mask, AccessShape shape, ulong* hosts)
    {
        bool isWhole = Destinations.Length == 1 && ElementBytes == Destinations[0].LaneBytes;
        if (shape == AccessShape.Uniform)
        {
            TransferUniform(warp, (byte*)hosts[0]);
            return;
        }
        if (shape == AccessShape.Contiguous)
        {
            if (isWhole)
            {
                Unsafe.CopyBlock(warp.Registers + Destinations[0].Slot, (byte*)hosts[0],
                    (uint)(ElementBytes * Lanes.Count));
                return;
            }
            for (int lane = 1; lane < Lanes.Count; lane++)
                hosts[lane] = hosts[0] + (ulong)(lane * AccessBytes);
        }
        if (isWhole && ElementBytes == sizeof(uint))
        {
            uint* destination = (uint*)(warp.Registers + Destinations[0].Slot);
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                destination[lane] = *(uint*)hosts[lane];
            }
        }
        else if (IsFourWords)
        {
            TransferFourWords(warp, mask, hosts);
        }
        else
        {
            TransferElements(warp, mask, hosts);
        }
    }

    private bool IsFourWords => Destinations.Length == 4 && ElementBytes == sizeof(uint)
        && Array.TrueForAll(Destinations, destination => destination is { LaneBytes: sizeof(uint), Slot: >= 0 });

    private void TransferUniform(Warp warp, byte* host)
    {
        for (int element = 0; element < Destinations.Length; element++)
        {
            (int slot, int laneBytes) = Destinations[element];
            if (slot < 0)
                continue;
            ulong value = Read(host + (element * ElementBytes));
            if (laneBytes == sizeof(uint))
                new Span<uint>(warp.Registers + slot, Lanes.Count).Fill((uint)value);
            else
                new Span<ulong>(warp.Registers + slot, Lanes.Count).Fill(value);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TransferFourWords(Warp warp, uint mask, ulong* hosts)
    {
        uint* first = (uint*)(warp.Registers + Destinations[0].Slot);
        uint* second = (uint*)(warp.Registers + Destinations[1].Slot);
        uint* third = (uint*)(warp.Registers + Destinations[2].Slot);
        uint* fourth = (uint*)(warp.Registers + Destinations[3].Slot);
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            Vector128<uint> value = Vector128.Load((uint*)hosts[lane]);
            first[lane] = value[0];
            second[lane] = value[1];
            third[lane] = value[2];
            fourth[lane] = value[3];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TransferElements(Warp warp, uint mask, ulong* hosts)
    {
        for (int element = 0; element < Destinations.Length; element++)
        {
            (int slot, int laneBytes) = Destinations[element];
            if (slot < 0)
                continue;
            byte* destination = warp.Registers + slot;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                Lanes.Set(destination, lane, laneBytes, Read((byte*)hosts[lane] + (element * ElementBytes)));
            }
        }
    }

    private ulong Read(byte* host) => (ElementBytes, IsSigned) switch
    {
        (1, true) => (ulong)*(sbyte*)host,
        (1, false) => *host,
        (2, true) => (ulong)*(short*)host,
        (2, false) => *(ushort*)host,
        (4, true) => (ulong)*(int*)host,
        (4, false) => *(uint*)host,
        _ => *(ulong*)host,
    };
}
