using System.Globalization;
using System.Text;

namespace PtxEmulator.Tests;

/// <summary>Random nests of ifs, loops, breaks, continues and early returns. Each lane must compute what it computes
/// alone.</summary>
internal sealed class RandomProgramTests
{
    private const int ThreadCount = 64;
    private const int VariableCount = 4;

    /// <summary>The control flow at the end of a statement.</summary>
    private enum Exit
    {
        None,
        Break,
        Continue,
        Return,
    }

    [Test]
    public void Every_lane_computes_what_it_computes_alone([Range(0, 59)] int seed)
    {
        Generator generator = new(seed);
        Func<uint[], Exit> program = generator.Block(4, inLoop: false);
        using KernelRun run = new($$"""
            .visible .entry program(.param .u64 results)
            {
                .reg .pred %p;
                .reg .b32 %v<4>, %t, %k<64>;
                .reg .b64 %out, %offset;
                ld.param.u64 %out, [results];
                mov.u32 %v0, %tid.x;
                mul.wide.u32 %offset, %v0, 16;
                add.u64 %out, %out, %offset;
                mul.lo.u32 %v1, %v0, 747796405;
                xor.b32 %v2, %v1, 0x5A5A5A5A;
                mov.u32 %v3, 1;
                {{generator.Text}}
                RETURN:
                activemask.b32 %t;
                popc.b32 %t, %t;
                add.u32 %v3, %v3, %t;
                st.global.v4.u32 [%out], {%v0, %v1, %v2, %v3};
                ret;
            }
            """);
        ulong results = run.Buffer(new uint[ThreadCount * VariableCount]);

        run.Launch(1, ThreadCount, results);

        uint[] actual = run.Read<uint>(results, ThreadCount * VariableCount);
        for (uint thread = 0; thread < ThreadCount; thread++)
        {
            uint[] variables = [thread, thread * 747796405, (thread * 747796405) ^ 0x5A5A5A5A, 1];
            program(variables);
            // All paths end here, so all 32 lanes are together.
            variables[3] += 32;
            Assert.That(actual[(int)(thread * VariableCount)..][..VariableCount], Is.EqualTo(variables),
                $"thread {thread}");
        }
    }

    /// <summary>Generates the text of a program and the function that runs it for one thread.</summary>
    private sealed class Generator(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly StringBuilder _text = new();
        private int _labelCount;
        private int _loopCount;

        public string Text => _text.ToString();

        public Func<uint[], Exit> Block(int depth, bool inLoop, string end = "RETURN", string next = "RETURN")
        {
            List<Func<uint[], Exit>> statements = [];
            for (int count = _random.Next(2, 5); count > 0; count--)
                statements.Add(Statement(depth, inLoop, end, next));
            return variables =>
            {
                foreach (Func<uint[], Exit> statement in statements)
                    if (statement(variables) is var exit && exit != Exit.None)
                        return exit;
                return Exit.None;
            };
        }

        private Func<uint[], Exit> Statement(int depth, bool inLoop, string end, string next)
        {
            switch (_random.Next(depth > 0 ? 8 : 3))
            {
                case 3 or 4:
                    return If(depth, inLoop, end, next);
                case 5 or 6 when _loopCount < 64:
                    return Loop(depth);
                case 7:
                    return Leave(inLoop, end, next);
                default:
                    return Assignment();
            }
        }

        private Func<uint[], Exit> Assignment()
        {
            int target = _random.Next(1, VariableCount);
            int left = _random.Next(VariableCount);
            int right = _random.Next(VariableCount);
            (string name, Func<uint, uint, uint> apply) = _random.Next(4) switch
            {
                0 => ("add.u32", (Func<uint, uint, uint>)((x, y) => x + y)),
                1 => ("mul.lo.u32", (x, y) => x * y),
                2 => ("xor.b32", (x, y) => x ^ y),
                _ => ("shf.l.wrap.b32", (x, y) => uint.RotateLeft(x, (int)y)),
            };
            Line(name[0] == 's' ? $"{name} %v{target}, %v{left}, %v{left}, %v{right};"
                : $"{name} %v{target}, %v{left}, %v{right};");
            return variables =>
            {
                variables[target] = apply(variables[left], variables[right]);
                return Exit.None;
            };
        }

        /// <summary>Sets %p to a condition that is true in some lanes.</summary>
        private Func<uint[], bool> Condition()
        {
            int variable = _random.Next(VariableCount);
            uint mask = (uint)_random.Next(1, 8) << _random.Next(0, 8);
            Line($"and.b32 %t, %v{variable}, {mask};");
            Line("setp.eq.u32 %p, %t, 0;");
            return variables => (variables[variable] & mask) == 0;
        }

        private Func<uint[], Exit> If(int depth, bool inLoop, string end, string next)
        {
            string otherwise = Label("ELSE");
            string done = Label("DONE");
            Func<uint[], bool> condition = Condition();
            Line($"@!%p bra {otherwise};");
            Func<uint[], Exit> then = Block(depth - 1, inLoop, end, next);
            Line($"bra {done};");
            Line($"{otherwise}:");
            Func<uint[], Exit> or = _random.Next(2) == 0 ? Block(depth - 1, inLoop, end, next) : _ => Exit.None;
            Line($"{done}:");
            return variables => condition(variables) ? then(variables) : or(variables);
        }

        private Func<uint[], Exit> Loop(int depth)
        {
            string counter = $"%k{_loopCount++}";
            string start = Label("LOOP");
            string again = Label("NEXT");
            string done = Label("END");
            int variable = _random.Next(VariableCount);
            uint mask = (uint)_random.Next(1, 6);
            Line($"and.b32 {counter}, %v{variable}, {mask};");
            Line($"{start}:");
            Func<uint[], Exit> body = Block(depth - 1, inLoop: true, done, again);
            Line($"{again}:");
            Line($"setp.eq.u32 %p, {counter}, 0;");
            Line($"sub.u32 {counter}, {counter}, 1;");
            Line($"@!%p bra {start};");
            Line($"{done}:");
            return variables =>
            {
                for (uint count = (variables[variable] & mask) + 1; count > 0; count--)
                {
                    Exit exit = body(variables);
                    if (exit == Exit.Return)
                        return exit;
                    if (exit == Exit.Break)
                        break;
                }
                return Exit.None;
            };
        }

        /// <summary>A conditional break, continue or return.</summary>
        private Func<uint[], Exit> Leave(bool inLoop, string end, string next)
        {
            Func<uint[], bool> condition = Condition();
            Exit exit = inLoop ? (Exit)_random.Next(1, 4) : Exit.Return;
            Line($"@%p bra {exit switch { Exit.Break => end, Exit.Continue => next, _ => "RETURN" }};");
            return variables => condition(variables) ? exit : Exit.None;
        }

        private string Label(string name) => $"{name}{_labelCount++}";

        private void Line(string line) => _text.Append(CultureInfo.InvariantCulture, $"{line}\n");
    }
}
