using System.Runtime.InteropServices;
using MsResampler.Kernels.Ptx.Writing;
using static MsResampler.Kernels.Tests.Ptx.ScalarExpectations;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>Written kernels on the emulator, compared with the same operations in C#.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class PtxWriterResultTests
{
    private const int LaneCount = 32;

    private static readonly uint[] s_integers =
    [
        0, 1, 2, 3, 5, 7, 8, 9, 10, 31, 32, 33, 100, 127, 128, 255, 1000, 65535, 65536, 65537, 1 << 30, 0x7FFFFFFF,
        0x80000000, 0x80000001, 0xAAAAAAAA, 0xFFFF0000, 0xFFFFFFF0, 0xFFFFFFFB, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE,
        0xFFFFFFFF,
    ];

    [Test]
    public void Integers_are_unsigned()
    {
        uint[] others = [.. s_integers.Select((_, lane) => s_integers[(lane + 11) % LaneCount] | 1)];
        List<(string Name, Func<uint, uint, uint> Expected, Func<PtxWriter, U32, U32, U32> Write)> cases =
        [
            ("+", (x, y) => x + y, (_, x, y) => x + y),
            ("+ -1", (x, _) => x - 1, (_, x, _) => x + -1),
            ("-", (x, y) => x - y, (_, x, y) => x - y),
            ("100 -", (x, _) => 100 - x, (_, x, _) => 100 - x),
            ("*", (x, y) => x * y, (_, x, y) => x * y),
            ("* 7", (x, _) => x * 7, (_, x, _) => 7 * x),
            ("* 8", (x, _) => x * 8, (_, x, _) => x * 8),
            ("* 2^31", (x, _) => x << 31, (_, x, _) => x * int.MinValue),
            ("* 0", (_, _) => 0, (_, x, _) => x * 0),
            ("/", (x, y) => x / y, (_, x, y) => x / y),
            ("/ 7", (x, _) => x / 7, (_, x, _) => x / 7),
            ("/ 8", (x, _) => x / 8, (_, x, _) => x / 8),
            ("/ -1", (x, _) => x / uint.MaxValue, (_, x, _) => x / -1),
            ("8 /", (_, y) => 8 / y, (_, _, y) => 8 / y),
            ("%", (x, y) => x % y, (_, x, y) => x % y),
            ("% 7", (x, _) => x % 7, (_, x, _) => x % 7),
            ("% 8", (x, _) => x % 8, (_, x, _) => x % 8),
            ("% 1", (_, _) => 0, (_, x, _) => x % 1),
            ("8 %", (_, y) => 8 % y, (_, _, y) => 8 % y),
            ("&", (x, y) => x & y, (_, x, y) => x & y),
            ("^", (x, y) => x ^ y, (_, x, y) => x ^ y),
            ("min", Math.Min, (writer, x, y) => writer.Min(x, y)),
            ("max", Math.Max, (writer, x, y) => writer.Max(x, y)),
            ("multiply-add", (x, y) => (x * y) + x, (writer, x, y) => writer.MultiplyAdd(x, y, x)),
            ("multiply-add of numbers", (x, _) => (5 * x) + 3, (writer, x, _) => writer.MultiplyAdd(5, x, 3)),
            ("variable", (x, y) => x + y, (writer, x, y) => Assigned(writer, x, x + y)),
            ("<", (x, y) => x < y ? 1u : 0, (writer, x, y) => writer.Select(x < y, 1, 0)),
            (">", (x, y) => x > y ? 1u : 0, (writer, x, y) => writer.Select(x > y, 1, 0)),
            ("<=", (x, y) => x <= y ? 1u : 0, (writer, x, y) => writer.Select(x <= y, 1, 0)),
            (">=", (x, y) => x >= y ? 1u : 0, (writer, x, y) => writer.Select(x >= y, 1, 0)),
            ("not <", (x, y) => x < y ? x : y, (writer, x, y) => writer.Select(!(x < y), y, x)),
            ("differs", (x, _) => x != 7 ? x : 9, (writer, x, _) => writer.Select(x.IsNot(7), x, 9)),
        ];
        var predicates =
            from left in new[] { false, true }
            from right in new[] { false, true }
            from isOr in new[] { false, true }
            select (left, right, isOr);
        foreach ((bool left, bool right, bool isOr) in predicates)
        {
            cases.Add(($"{(left ? "!" : "")}p {(isOr ? '|' : '&')} {(right ? "!" : "")}q", (x, y) =>
            {
                (bool p, bool q) = ((x > 9) ^ left, (y > 100) ^ right);
                return (isOr ? p || q : p && q) ? 1u : 0;
            }, (writer, x, y) =>
            {
                Predicate p = left ? !(x > 9) : x > 9;
                Predicate q = right ? !(y > 100) : y > 100;
                return writer.Select(isOr ? p | q : p & q, 1, 0);
            }
            ));
        }

        uint[] results = Run(s_integers, others,
            (writer, x, y) => [.. cases.Select(one => (object)one.Write(writer, x.Bits, y.Bits))]);

        Check(cases.Count, results, (at, lane) => cases[at].Expected(s_integers[lane], others[lane]),
            at => cases[at].Name);

        static U32 Assigned(PtxWriter writer, U32 first, U32 second)
        {
            U32 variable = writer.Variable(first);
            writer.Set(variable, second);
            return variable;
        }
    }

    [Test]
    public void Floats_round_to_nearest_once_per_operation()
    {
        float[] others = [.. Values.Select((_, lane) => Values[(lane + 13) % LaneCount])];
        (string Name, Func<float, float, float> Expected, Func<PtxWriter, F32, F32, F32> Write)[] cases =
        [
            ("+", (x, y) => x + y, (_, x, y) => x + y),
            ("*", (x, y) => x * y, (_, x, y) => x * y),
            ("/", (x, y) => x / y, (_, x, y) => x / y),
            ("* then +", (x, y) => (float)(x * y) + x, (_, x, y) => (x * y) + x),
            ("fma", (x, y) => MathF.FusedMultiplyAdd(x, y, x), (writer, x, y) => writer.Fma(x, y, x)),
            ("set fma", (x, y) => MathF.FusedMultiplyAdd(x, x, y), (writer, x, y) => Changed(writer, y,
                variable => writer.SetFma(variable, x, x))),
            ("guarded fma", (x, y) => x < y ? MathF.FusedMultiplyAdd(x, x, y) : y, (writer, x, y) => Changed(writer, y,
                variable => writer.SetFma(variable, x, x, x < y))),
            ("max", (x, y) => float.MaxNumber(x, y), (writer, x, y) => writer.Max(x, y)),
            ("min", (x, y) => float.MinNumber(x, y), (writer, x, y) => writer.Min(x, y)),
            ("max or NaN", MathF.Max, (writer, x, y) => Changed(writer, x,
                variable => writer.SetMaxOrNaN(variable, y))),
            ("guarded max", (x, y) => !(x < y) ? x : MathF.Max(x, y), (writer, x, y) => Changed(writer, x,
                variable => writer.SetMaxOrNaN(variable, y, !!(x < y)))),
            ("abs", (x, _) => MathF.Abs(x), (writer, x, _) => writer.Abs(x)),
            ("<", (x, y) => x < y ? 1 : 2, (writer, x, y) => writer.SelectFloat(x < y, 1, 2)),
            (">", (x, y) => x > y ? 1 : 2, (writer, x, y) => writer.SelectFloat(x > y, 1, 2)),
            ("not <", (x, y) => !(x < y) ? 1 : 2, (writer, x, y) => writer.SelectFloat(!(x < y), 1, 2)),
            ("number", (_, _) => 0.1f, (writer, _, _) => writer.FloatVariable(0.1f)),
        ];

        uint[] results = Run(Bits(Values), Bits(others),
            (writer, x, y) => [.. cases.Select(one => (object)one.Write(writer, x.Float, y.Float))]);

        Check(cases.Length, results, (at, lane) => BitConverter.SingleToUInt32Bits(
            cases[at].Expected(Values[lane], others[lane])), at => cases[at].Name, areFloats: true);

        static F32 Changed(PtxWriter writer, F32 start, Action<F32> change)
        {
            F32 variable = writer.FloatVariable(start);
            change(variable);
            return variable;
        }
    }

    [Test]
    public void Conversions_follow_the_ISA()
    {
        float[] others = [.. Values.Reverse()];

        uint[] results = Run(Bits(Values), Bits(others), (writer, x, y) =>
        [
            writer.Pack(MatrixType.Float16, x.Float, y.Float), writer.Pack(MatrixType.BFloat16, x.Float, y.Float),
            writer.ReciprocalSqrt(x.Float), writer.ToFloat(x.Bits),
        ]);

        uint[] Column(int at) => [.. Enumerable.Range(0, LaneCount).Select(lane => results[(lane * 4) + at])];
        CheckReciprocalSqrt([.. Column(2).Select(BitConverter.UInt32BitsToSingle)]);
        for (int lane = 0; lane < LaneCount; lane++)
        {
            (uint half, uint brain) = (Column(0)[lane], Column(1)[lane]);
            Assert.That(IsF16(half & 0xFFFF, Values[lane]) && IsF16(half >> 16, others[lane]), Is.True, $"lane {lane}");
            Assert.That(IsBF16(brain & 0xFFFF, Values[lane]) && IsBF16(brain >> 16, others[lane]), Is.True,
                $"lane {lane}");
            Assert.That(BitConverter.UInt32BitsToSingle(Column(3)[lane]),
                Is.EqualTo((float)BitConverter.SingleToUInt32Bits(Values[lane])), $"lane {lane}");
        }
    }

    /// <summary>The first two exceed 32 bits before 2³² is subtracted again.</summary>
    [Test]
    public void Addresses_have_64_bits()
    {
        float[] values = [.. Enumerable.Range(0, LaneCount).Select(lane => lane + 0.5f)];
        float[] results = new float[3 * LaneCount];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView source = writer.View("source", sizeof(float));
            PtxView target = writer.View("target", sizeof(float));
            U32 lane = writer.Thread;
            U64 reversed = writer.Addresses(1)[0];
            writer.Set(reversed, writer.WideMultiplyAdd(31 - lane, sizeof(float), source.Address));
            U64[] places =
            [
                writer.WideMultiplyAdd(lane + int.MinValue, 2, source.Address) + writer.Widen(lane * 2) + -(1L << 32),
                source.Address + writer.Widen((lane * -4) - 4) + writer.Widen(lane * 8) + (4 - (1L << 32)),
                reversed,
            ];
            for (int part = 0; part < places.Length; part++)
            {
                F32 value = writer.FloatVariable(0);
                writer.LoadGlobal(value, places[part]);
                writer.StoreGlobal(writer.WideMultiplyAdd(lane + (part * LaneCount), sizeof(float), target.Address),
                    value);
            }
        });

        KernelRun.Run(kernel, 1, LaneCount, seed: 1, values, results);

        Assert.That(results, Is.EqualTo(values.Concat(values).Concat(values.Reverse())));
    }

    [Test]
    public void Guards_decide_which_lanes_load_and_store()
    {
        float[] source = [.. Enumerable.Range(1, 4 * LaneCount).Select(value => (float)value)];
        float[] quads = new float[4 * LaneCount];
        float[] singles = new float[LaneCount];
        uint[] pairs = new uint[2 * LaneCount];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView view = writer.View("source", sizeof(float));
            PtxView quadView = writer.View("quads", sizeof(float));
            PtxView singleView = writer.View("singles", sizeof(float));
            PtxView pairView = writer.View("pairs", sizeof(uint));
            U32 lane = writer.Thread;
            Predicate isEarly = lane < 8;
            F32[] quad = [.. Enumerable.Range(0, 4).Select(_ => writer.FloatVariable(-1))];
            U64 after = writer.WideMultiplyAdd(lane, 16, view.Address) + 16;
            // Most lanes would load beyond the end.
            writer.LoadGlobal(quad, after, -16, !isEarly);
            writer.StoreGlobal(writer.WideMultiplyAdd(lane, 16, quadView.Address) + -32, 32, quad);
            F32 single = writer.FloatVariable(-2);
            writer.LoadGlobal(single, view.Address + (4 * ((4 * LaneCount) - 1)), isEarly);
            writer.StoreGlobal(writer.WideMultiplyAdd(lane, sizeof(float), singleView.Address), single, lane > 3);
            writer.StoreGlobal(writer.WideMultiplyAdd(lane, 8, pairView.Address), 0, lane, 7, !isEarly);
            writer.StoreGlobal(writer.WideMultiplyAdd(lane + 4, 16, quadView.Address), 0, quad, lane < 0);
        });

        KernelRun.Run(kernel, 1, LaneCount, seed: 1, source, quads, singles, pairs);

        Assert.That(quads, Is.EqualTo(source.Select((value, index) => index < 8 * 4 ? -1 : value)));
        Assert.That(singles, Is.EqualTo(Enumerable.Range(0, LaneCount)
            .Select(lane => lane < 4 ? 0f : lane < 8 ? 4 * LaneCount : -2)));
        Assert.That(pairs, Is.EqualTo(Enumerable.Range(0, LaneCount)
            .SelectMany(lane => lane < 8 ? new[] { 0u, 0u } : [(uint)lane, 7u])));
    }

    [Test]
    public void Structures_and_views_are_read_where_the_host_writes_them()
    {
        using EmulatorDevice device = new();
        using IDeviceStream stream = device.CreateStream();
        using IDeviceMemory memory = device.Allocate(96);
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            U32 number = writer.Integer("number");
            PtxStructure fields = writer.Structure<Fields>("fields");
            PtxView view = writer.View("view", 8);
            PtxStructure last = writer.Structure<Fields>("last");
            writer.StoreGlobal(view.Address, 0, number, view.Length);
            writer.StoreGlobal(view.Address, 8, fields.Integer(nameof(Fields.First)),
                fields.Integer(nameof(Fields.Third)));
            writer.StoreGlobal(view.Address, 16, last.Integer(nameof(Fields.First)),
                last.Integer(nameof(Fields.Third)));
            writer.StoreGlobal(view.Address + 24, fields.Float(nameof(Fields.Second)));
            writer.StoreGlobal(view.Address + 28, last.Float(nameof(Fields.Second)));
        });
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel);
        arguments.Add(-5);
        arguments.Add(new Fields { First = 11, Second = 0.5f, Third = -13 });
        arguments.Add(DeviceView.Of(memory));
        arguments.Add(new Fields { First = 21, Second = 2.5f, Third = -23 });

        stream.Launch(device.Load(kernel), new LaunchSize(1, 1, 1), arguments.Bytes);

        int[] result = new int[8];
        stream.Download(memory, MemoryMarshal.AsBytes(result.AsSpan()));
        Assert.That(result, Is.EqualTo(new[]
        {
            -5, 96 / 8, 11, -13, 21, -23, BitConverter.SingleToInt32Bits(0.5f), BitConverter.SingleToInt32Bits(2.5f),
        }));
    }

    /// <summary>Every lane counts to its own limit, in its own branch; the loop ends for a warp.</summary>
    [Test]
    public void Branches_and_loops_execute_their_bodies()
    {
        int[] results = new int[3 * 2 * LaneCount];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView target = writer.View("target", sizeof(int));
            U32 place = writer.MultiplyAdd(writer.Block, LaneCount, writer.Thread);
            U32 trips = writer.Variable(0);
            U32 branch = writer.Variable(100);
            writer.Repeat(() =>
            {
                writer.Set(trips, trips + 1);
                writer.If(!(place < 7), () =>
                {
                    writer.Set(branch, branch + 1);
                    writer.If(place < 9, () => writer.Set(branch, branch + 1000));
                });
                return trips < writer.Block + 2;
            });
            writer.StoreGlobal(writer.WideMultiplyAdd(place, 8, target.Address), 0, trips,
                writer.MultiplyAdd(writer.BlockCount, 100_000, branch));
        });

        KernelRun.Run(kernel, 3, LaneCount, seed: 1, results);

        Assert.That(results, Is.EqualTo(Enumerable.Range(0, 3 * LaneCount).SelectMany(place =>
        {
            int trips = (place / LaneCount) + 2;
            return new[] { trips, 300_100 + (place < 7 ? 0 : trips) + (place is 7 or 8 ? 1000 * trips : 0) };
        })));
    }

    [Test]
    public void Lanes_and_warps_exchange_values()
    {
        const int Warps = 2;
        float[] source = [.. Enumerable.Range(0, Warps * LaneCount).Select(thread => thread * 1.5f)];
        float[] results = new float[3 * source.Length];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView view = writer.View("source", sizeof(float));
            PtxView target = writer.View("target", sizeof(float));
            U32 thread = writer.Thread;
            U32 shared = writer.DynamicShared(16);
            F32 value = writer.FloatVariable(0);
            writer.LoadGlobal(value, writer.WideMultiplyAdd(thread, sizeof(float), view.Address));
            writer.StoreShared(shared + (thread * sizeof(float)) + 4, value);
            writer.Barrier();
            writer.StoreGlobal(writer.WideMultiplyAdd(thread, sizeof(float), target.Address),
                writer.LoadShared(shared + (((Warps * LaneCount) - 1 - thread) * sizeof(float)), 4));
            writer.StoreGlobal(writer.WideMultiplyAdd(thread + (Warps * LaneCount), sizeof(float), target.Address),
                writer.ShuffleXor(value, 5));
            writer.StoreGlobal(writer.WideMultiplyAdd(thread + (2 * Warps * LaneCount), sizeof(float), target.Address),
                writer.ToFloat(writer.OfFirstLane(thread)));
        }, threadCount: Warps * LaneCount);

        KernelRun.Run(kernel, new LaunchSize(1, 1, Warps * LaneCount, 1024), seed: 1, source, results);

        Assert.That(results, Is.EqualTo(source.Reverse().Concat(source.Select((_, thread) => source[thread ^ 5]))
            .Concat(source.Select((_, thread) => (float)(thread / LaneCount * LaneCount)))));
    }

    [Test]
    public void Copies_arrive_in_groups_and_are_filled_with_zeros()
    {
        float[] source = [.. Enumerable.Range(1, 8 * LaneCount).Select(value => (float)value)];
        float[] results = new float[8 * LaneCount];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView view = writer.View("source", sizeof(float));
            PtxView target = writer.View("target", sizeof(float));
            U32 lane = writer.Thread;
            U32 shared = writer.DynamicShared(1024) + (lane * 16);
            for (int group = 0; group < 2; group++)
            {
                writer.StartCopy(shared, 16 * LaneCount * group, writer.WideMultiplyAdd(lane + (LaneCount * group), 16,
                    view.Address), writer.Select(lane < 16, lane % 5 * 4, 16));
                writer.CommitCopies();
            }

            for (int group = 0; group < 2; group++)
            {
                writer.WaitForCopies(1 - group);
                F32[] quad = [.. Enumerable.Range(0, 4)
                    .Select(index => writer.LoadShared(shared, (16 * LaneCount * group) + (4 * index)))];
                writer.StoreGlobal(writer.WideMultiplyAdd(lane, 16, target.Address), 16 * LaneCount * group, quad);
            }
        });

        KernelRun.Run(kernel, new LaunchSize(1, 1, LaneCount, 2 * 16 * LaneCount), seed: 1, source, results);

        Assert.That(results, Is.EqualTo(source.Select((value, index) =>
        {
            int lane = index / 4 % LaneCount;
            return lane < 16 && index % 4 >= lane % 5 ? 0 : value;
        })));
    }

    [Test]
    public void The_largest_signed_integer_is_kept()
    {
        int[] targets = [-100, 17, int.MinValue, int.MaxValue];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView target = writer.View("target", sizeof(int));
            U32 lane = writer.Thread;
            writer.MaxGlobal(writer.WideMultiplyAdd(lane % 4, sizeof(int), target.Address), lane - 20);
        });

        KernelRun.Run(kernel, 1, LaneCount, seed: 1, targets);

        Assert.That(targets, Is.EqualTo(new[] { 8, 17, 10, int.MaxValue }));
    }

    /// <summary>Runs a kernel that computes integers and floats from two values of each lane.</summary>
    /// <returns>The bits of the results of each lane.</returns>
    private static uint[] Run(uint[] left, uint[] right,
        Func<PtxWriter, (U32 Bits, F32 Float), (U32 Bits, F32 Float), object[]> write)
    {
        int count = 0;
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxView leftView = writer.View("left", sizeof(uint));
            PtxView rightView = writer.View("right", sizeof(uint));
            PtxView target = writer.View("target", sizeof(uint));
            object[] results = write(writer, Load(leftView), Load(rightView));
            count = results.Length;
            U64 place = writer.WideMultiplyAdd(writer.Thread, 2 * sizeof(uint) * count, target.Address);
            for (int index = 0; index < count; index++)
            {
                // An integer is stored with a neighbour.
                if (results[index] is U32 integer)
                    writer.StoreGlobal(place, 2 * sizeof(uint) * index, integer, 0);
                else
                    writer.StoreGlobal(place + (2 * sizeof(uint) * index), (F32)results[index]);
            }

            (U32, F32) Load(PtxView view)
            {
                U64 address = writer.WideMultiplyAdd(writer.Thread, sizeof(uint), view.Address);
                F32 value = writer.FloatVariable(0);
                writer.LoadGlobal(value, address);
                return (writer.LoadGlobal(address), value);
            }
        });
        uint[] output = new uint[2 * count * LaneCount];
        KernelRun.Run(kernel, 1, LaneCount, seed: 1, left, right, output);
        return [.. output.Where((_, index) => index % 2 == 0)];
    }

    private static void Check(int count, uint[] results, Func<int, int, uint> expected, Func<int, string> name,
        bool areFloats = false)
    {
        using (Assert.EnterMultipleScope())
        {
            for (int at = 0; at < count; at++)
            {
                for (int lane = 0; lane < LaneCount; lane++)
                {
                    (uint found, uint wanted) = (results[(lane * count) + at], expected(at, lane));
                    // The ISA does not say which NaN results.
                    if (!areFloats || !float.IsNaN(BitConverter.UInt32BitsToSingle(wanted)))
                        Assert.That(found, Is.EqualTo(wanted), $"{name(at)}, lane {lane}");
                    else
                        Assert.That(BitConverter.UInt32BitsToSingle(found), Is.NaN, $"{name(at)}, lane {lane}");
                }
            }
        }
    }

    private static uint[] Bits(float[] values) => [.. values.Select(BitConverter.SingleToUInt32Bits)];

    private struct Fields
    {
        public int First;
        public float Second;
        public int Third;
    }
}
