using System.Numerics;

namespace PtxEmulator.Execution;

internal enum VoteMode
{
    All,
    Any,
    Uniform,
    Ballot,
}

/// <summary><c>vote.sync</c>.</summary>
internal sealed unsafe class VoteInstruction(VoteMode mode, int destination, int predicate, uint flip, int members)
    : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        uint* masks = (uint*)(warp.Registers + members);
        uint votes = *(uint*)(warp.Registers + predicate) ^ flip;
        uint result = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            warp.RequireMembers(mask, masks[lane]);
            uint voters = masks[lane] & mask;
            uint yes = votes & voters;
            bool isTrue = mode switch
            {
                VoteMode.All => yes == voters,
                VoteMode.Any => yes != 0,
                _ => yes == 0 || yes == voters,
            };
            if (mode == VoteMode.Ballot)
                ((uint*)(warp.Registers + destination))[lane] = yes;
            else if (isTrue)
                result |= 1u << lane;
        }
        if (mode == VoteMode.Ballot)
            return;
        uint* target = (uint*)(warp.Registers + destination);
        *target = (*target & ~mask) | result;
    }
}

/// <summary><c>activemask</c>.</summary>
internal sealed unsafe class ActiveMaskInstruction(int destination) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        for (uint rest = mask; rest != 0; rest &= rest - 1)
            ((uint*)(warp.Registers + destination))[BitOperations.TrailingZeroCount(rest)] = mask;
    }
}

/// <summary><c>match.sync</c>.</summary>
internal sealed unsafe class MatchInstruction(bool isAll, int destination, int predicate, LaneSlot value, int members)
    : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        uint* masks = (uint*)(warp.Registers + members);
        byte* values = warp.Registers + value.Slot;
        uint matches = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            warp.RequireMembers(mask, masks[lane]);
            uint equal = 0;
            for (uint others = masks[lane] & mask; others != 0; others &= others - 1)
            {
                int other = BitOperations.TrailingZeroCount(others);
                bool isEqual = Lanes.Get(values, other, value.LaneBytes) == Lanes.Get(values, lane, value.LaneBytes);
                equal |= isEqual ? 1u << other : 0;
            }
            bool areAllEqual = equal == (masks[lane] & mask);
            matches |= areAllEqual ? 1u << lane : 0;
            ((uint*)(warp.Registers + destination))[lane] = isAll && !areAllEqual ? 0 : equal;
        }
        if (predicate < 0)
            return;
        uint* target = (uint*)(warp.Registers + predicate);
        *target = (*target & ~mask) | matches;
    }
}

/// <summary><c>redux.sync</c>.</summary>
internal sealed unsafe class ReduceInstruction(Func<uint, uint, uint> operation, int destination, int value,
    int members) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        uint* masks = (uint*)(warp.Registers + members);
        uint* values = (uint*)(warp.Registers + value);
        uint* results = stackalloc uint[Lanes.Count];
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            warp.RequireMembers(mask, masks[lane]);
            uint others = masks[lane] & mask;
            uint result = values[BitOperations.TrailingZeroCount(others)];
            for (others &= others - 1; others != 0; others &= others - 1)
                result = operation(result, values[BitOperations.TrailingZeroCount(others)]);
            results[lane] = result;
        }
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ((uint*)(warp.Registers + destination))[lane] = results[lane];
        }
    }
}
