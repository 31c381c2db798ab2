using System.Numerics;

namespace PtxEmulator.Execution;

internal enum ShuffleMode
{
    Up,
    Down,
    Butterfly,
    Index,
}

/// <summary><c>shfl.sync</c>.</summary>
internal sealed unsafe class ShuffleInstruction(ShuffleMode mode) : Instruction
{
    public required int Destination { get; init; }

    /// <summary>The predicate that receives whether the source is in range; negative if there is none.</summary>
    public required int InRange { get; init; }

    public required int Value { get; init; }

    public required int Distance { get; init; }

    public required int Clamp { get; init; }

    public required int Members { get; init; }

    public override void Execute(Warp warp, uint mask)
    {
        uint* values = (uint*)(warp.Registers + Value);
        uint* distances = (uint*)(warp.Registers + Distance);
        uint* clamps = (uint*)(warp.Registers + Clamp);
        uint* members = (uint*)(warp.Registers + Members);
        uint* results = stackalloc uint[Lanes.Count];
        uint inRange = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if ((members[lane] >> lane & 1) == 0)
                throw warp.Fault(PtxFaultKind.PartialWarp, $"the thread is not in its mask 0x{members[lane]:x8}", lane);
            warp.RequireMembers(mask, members[lane]);
            int segment = (int)(clamps[lane] >> 8 & 31);
            int clamp = (int)(clamps[lane] & 31);
            int distance = (int)(distances[lane] & 31);
            int last = (lane & segment) | (clamp & ~segment);
            int source = mode switch
            {
                ShuffleMode.Up => lane - distance,
                ShuffleMode.Down => lane + distance,
                ShuffleMode.Butterfly => lane ^ distance,
                _ => (lane & segment) | (distance & ~segment & 31),
            };
            bool isInRange = mode == ShuffleMode.Up ? source >= last : source <= last;
            inRange |= isInRange ? 1u << lane : 0;
            if (isInRange && (members[lane] >> source & 1) == 0)
            {
                throw warp.Fault(PtxFaultKind.PartialWarp,
                    $"the source, thread {source}, is not in the mask 0x{members[lane]:x8}", lane);
            }
            results[lane] = values[isInRange ? source : lane];
        }
        uint* destinations = (uint*)(warp.Registers + Destination);
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (Destination >= 0)
                destinations[lane] = results[lane];
        }
        if (InRange >= 0)
        {
            uint* predicate = (uint*)(warp.Registers + InRange);
            *predicate = (*predicate & ~mask) | inRange;
        }
    }
}
