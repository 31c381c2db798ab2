using System.Reflection;
using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Ptx;
using CompiledKernel = MsResampler.Kernels.Compiler.CompiledKernel;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>Loops of every shape have the same result in the emulator as in C#, whether they are unrolled completely,
/// partly or not at all.</summary>
public sealed class LoopTests
{
    private readonly KernelCompiler _compiler = new();

    private interface ILoop
    {
        static abstract int Of(int x);
    }

    [Test]
    public void A_loop_may_count_up() => Check<Up>(isUnrolled: true);

    [Test]
    public void A_loop_may_count_up_by_two() => Check<UpByTwo>(isUnrolled: true);

    [Test]
    public void A_loop_may_count_down() => Check<Down>(isUnrolled: true);

    [Test]
    public void A_loop_may_count_down_by_three() => Check<DownByThree>(isUnrolled: true);

    [Test]
    public void Nested() => Check<Nest>(isUnrolled: true);

    [Test]
    public void An_inner_loop_may_use_the_counter_of_the_outer_loop() => Check<Triangle>(isUnrolled: null);

    [Test]
    public void Never() => Check<None>(isUnrolled: null);

    [Test]
    public void Once() => Check<Single>(isUnrolled: null);

    [Test]
    public void A_loop_may_run_as_often_as_the_unrolling_limit() => Check<Most>(isUnrolled: true);

    [Test]
    public void A_loop_may_run_once_more_than_the_unrolling_limit() => Check<OneMore>(isUnrolled: false);

    [Test]
    public void A_loop_may_run_a_power_of_two_times() => Check<PowerOfTwo>(isUnrolled: false);

    [Test]
    public void A_rolled_bound_may_exceed_the_unrolling_limit() => Check<RolledMultiple>(isUnrolled: false);

    [Test]
    public void A_count_that_would_be_partly_unrolled_is_rejected() =>
        Assert.That(Compile<Multiple>, Throws.TypeOf<NotSupportedException>().With.Message.EqualTo(
            "Kernel 'Multiple' cannot be compiled for sm_80: A loop has 381 constant trips, and at most 127 are " +
            "unrolled. Write its bound as Loop.Rolled(bound)."));

    [Test]
    public void The_counter_may_be_used_after_the_loop() => Check<UsedAfter>(isUnrolled: null);

    [Test]
    public void A_loop_may_have_two_counters() => Check<TwoCounters>(isUnrolled: null);

    [Test]
    public void A_loop_may_exit_early() => Check<Broken>(isUnrolled: null);

    [Test]
    public void A_loop_may_skip_the_rest_of_some_iterations() => Check<Continued>(isUnrolled: true);

    [Test]
    public void Continue_before_an_inner_loop_is_rejected()
    {
        // A limit of ILGPU's unrolling. If this assertion fails, the limit is gone and KernelPasses need not check
        // for it.
        Assert.That(() => Compile<ContinuedAroundALoop>(), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public void A_loop_may_have_a_computed_count() => Check<Computed>(isUnrolled: false);

    [Test]
    public void A_loop_may_rotate_an_array() => Check<Rotation>(isUnrolled: true);

    [Test]
    public void A_loop_may_have_conditions_in_its_body() => Check<Conditions>(isUnrolled: true);

    [Test]
    public void A_while_loop_is_supported() => Check<Collatz>(isUnrolled: false);

    /// <summary>Compares the results, and checks whether the code contains branches.</summary>
    private void Check<T>(bool? isUnrolled)
        where T : struct, ILoop
    {
        CompiledKernel kernel = Compile<T>();
        int[] values = [.. Enumerable.Range(-16, 32)];
        int[] expected = [.. values.Select(T.Of)];

        KernelRun.Run(kernel, blockCount: 1, values.Length, seed: 0, values);

        Assert.That(values, Is.EqualTo(expected));
        if (isUnrolled is { } unrolled)
            Assert.That(kernel.Ptx, unrolled ? Does.Not.Contain("bra") : Does.Contain("bra"));
        Assert.That(kernel.Ptx, Does.Not.Contain(".local"));
    }

    private CompiledKernel Compile<T>()
    {
        MethodInfo method = typeof(LoopTests).GetMethod(nameof(Apply), BindingFlags.NonPublic | BindingFlags.Static)!;
        return _compiler.Compile(method.MakeGenericMethod(typeof(T)), typeof(T).Name, 80);
    }

    private static void Apply<T>(ArrayView<int> values)
        where T : struct, ILoop => values[Group.IdxX] = T.Of(values[Group.IdxX]);

    private readonly struct Up : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 3; i < 12; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct UpByTwo : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 1; i <= 12; i += 2)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct Down : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 9; i >= 0; i--)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct DownByThree : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 20; i > 3; i -= 3)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct Nest : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 5; i++)
            {
                for (int j = 1; j < 4; j++)
                    x = (x * 3) + (i * j);
            }

            return x;
        }
    }

    private readonly struct Triangle : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 5; i++)
            {
                for (int j = 0; j < i; j++)
                    x = (x * 3) + (i * j);
            }

            return x;
        }
    }

    private readonly struct None : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 5; i < 5; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct Single : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 5; i < 6; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct Most : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < KernelPasses.MaxUnrolledTrips; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct OneMore : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < KernelPasses.MaxUnrolledTrips + 1; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct Multiple : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 3 * KernelPasses.MaxUnrolledTrips; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct RolledMultiple : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < Loop.Rolled(3 * KernelPasses.MaxUnrolledTrips); i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct PowerOfTwo : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 256; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct UsedAfter : ILoop
    {
        public static int Of(int x)
        {
            int i = 2;
            for (; i < 9; i++)
                x = (x * 3) + i;
            return x + (1000 * i);
        }
    }

    private readonly struct TwoCounters : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0, j = 10; i < j; i++, j--)
                x = (x * 3) + (i * j);
            return x;
        }
    }

    private readonly struct Broken : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 12; i++)
            {
                if (x > 100)
                    break;
                x = (x * 3) + i;
            }

            return x;
        }
    }

    private readonly struct Continued : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 12; i++)
            {
                if ((x & i) != 0)
                    continue;
                x = (x * 3) + i;
            }

            return x;
        }
    }

    private readonly struct ContinuedAroundALoop : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 6; i++)
            {
                if ((x & i) != 0)
                    continue;
                for (int j = 0; j < 3; j++)
                    x = (x * 3) + (i * j);
            }

            return x;
        }
    }

    private readonly struct Computed : ILoop
    {
        public static int Of(int x)
        {
            int count = x & 7;
            for (int i = 0; i < count; i++)
                x = (x * 3) + i;
            return x;
        }
    }

    private readonly struct Rotation : ILoop
    {
        public static int Of(int x)
        {
            var ring = new int[6];
            for (int i = 0; i < 6; i++)
                ring[i] = x + i;
            for (int turn = 0; turn < 4; turn++)
            {
                int first = ring[0];
                for (int i = 0; i < 5; i++)
                    ring[i] = ring[i + 1] + turn;
                ring[5] = first * 3;
            }

            int sum = 0;
            for (int i = 0; i < 6; i++)
                sum = (sum * 5) + ring[i];
            return sum;
        }
    }

    private readonly struct Conditions : ILoop
    {
        public static int Of(int x)
        {
            for (int i = 0; i < 9; i++)
                x = (i & 1) == 0 ? (x * 3) + i : x - (i == 5 ? 7 : i);
            return x;
        }
    }

    private readonly struct Collatz : ILoop
    {
        public static int Of(int x)
        {
            int steps = 0;
            int value = (x & 31) + 1;
            while (value != 1)
            {
                value = (value & 1) == 0 ? value / 2 : (3 * value) + 1;
                steps++;
            }

            return steps;
        }
    }
}
