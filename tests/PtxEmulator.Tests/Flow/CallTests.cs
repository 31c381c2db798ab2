namespace PtxEmulator.Tests;

/// <summary>Device functions: parameters, return values, calls by some lanes only, and nested calls.</summary>
internal sealed class CallTests
{
    [Test]
    public void A_function_takes_parameters_and_returns_a_value() => Check("""
        .func (.param .b32 value) scaled(.param .b32 number, .param .b64 factor)
        {
            .reg .b32 %n, %f;
            .reg .b64 %w;
            ld.param.u32 %n, [number];
            ld.param.u64 %w, [factor];
            cvt.u32.u64 %f, %w;
            mul.lo.u32 %n, %n, %f;
            st.param.b32 [value], %n;
            ret;
        }
        """, """
        {
            .param .b32 result;
            .param .b32 first;
            .param .b64 second;
            st.param.b32 [first], %i;
            mov.u64 %w, 7;
            st.param.b64 [second], %w;
            call.uni (result), scaled, (first, second);
            ld.param.b32 %r, [result];
        }
        """, i => 7 * i);

    [Test]
    public void Parameters_may_be_registers() => Check("""
        .func (.reg .b32 %value) sum(.reg .b32 %x, .reg .b32 %y)
        {
            add.u32 %value, %x, %y;
            ret;
        }
        """, """
        call (%r), sum, (%i, 100);
        """, i => i + 100);

    [Test]
    public void A_structure_is_passed_as_a_byte_array() => Check("""
        .func (.param .align 8 .b8 value[16]) swapped(.param .align 8 .b8 pair[16])
        {
            .reg .b32 %x;
            .reg .b64 %y;
            ld.param.b32 %x, [pair+0];
            ld.param.b64 %y, [pair+8];
            st.param.b64 [value+0], %y;
            st.param.b32 [value+8], %x;
            ret;
        }
        """, """
        {
            .param .align 8 .b8 result[16];
            .param .align 8 .b8 argument[16];
            .reg .b32 %x;
            st.param.b32 [argument+0], %i;
            mov.u64 %w, 5000;
            st.param.b64 [argument+8], %w;
            call (result), swapped, (argument);
            ld.param.b64 %w, [result+0];
            ld.param.b32 %x, [result+8];
            cvt.u32.u64 %r, %w;
            add.u32 %r, %r, %x;
        }
        """, i => 5000 + i);

    [Test]
    public void Only_the_calling_lanes_run_the_function() => Check("""
        .func (.param .b32 value) lanes()
        {
            .reg .b32 %m;
            activemask.b32 %m;
            popc.b32 %m, %m;
            st.param.b32 [value], %m;
            ret;
        }
        """, """
        mov.u32 %r, 0;
        setp.gt.u32 %p, %i, 4;
        @%p bra SKIP;
        {
            .param .b32 result;
            call (result), lanes, ();
            ld.param.b32 %r, [result];
        }
        SKIP:
        activemask.b32 %a;
        popc.b32 %a, %a;
        mad.lo.u32 %r, %a, 100, %r;
        """, i => 3200 + (i > 4 ? 0 : 5));

    [Test]
    public void Lanes_that_return_at_different_places_reconverge_in_the_caller() => Check("""
        .func (.param .b32 value) collatz(.param .b32 start)
        {
            .reg .pred %p;
            .reg .b32 %n, %steps, %odd;
            ld.param.u32 %n, [start];
            mov.u32 %steps, 0;
            LOOP:
            setp.gt.u32 %p, %n, 1;
            @%p bra MORE;
            st.param.b32 [value], %steps;
            ret;
            MORE:
            and.b32 %odd, %n, 1;
            setp.eq.u32 %p, %odd, 0;
            add.u32 %steps, %steps, 1;
            @%p shr.u32 %n, %n, 1;
            @!%p mad.lo.u32 %n, %n, 3, 1;
            bra LOOP;
        }
        """, """
        {
            .param .b32 result;
            .param .b32 start;
            st.param.b32 [start], %i;
            call (result), collatz, (start);
            ld.param.b32 %r, [result];
        }
        activemask.b32 %a;
        popc.b32 %a, %a;
        mad.lo.u32 %r, %a, 1000, %r;
        """, i =>
    {
        int steps = 0;
        for (int n = i; n > 1; steps++)
            n = n % 2 == 0 ? n / 2 : (3 * n) + 1;
        return 32000 + steps;
    });

    [Test]
    public void A_function_calls_another_in_a_loop() => Check("""
        .func (.param .b32 value) square(.param .b32 x)
        {
            .reg .b32 %a;
            ld.param.u32 %a, [x];
            mul.lo.u32 %a, %a, %a;
            st.param.b32 [value], %a;
            ret;
        }
        .func (.param .b32 value) squares(.param .b32 count)
        {
            .reg .pred %p;
            .reg .b32 %n, %k, %s, %sum;
            ld.param.u32 %n, [count];
            mov.u32 %k, 0;
            mov.u32 %sum, 0;
            LOOP:
            setp.ge.u32 %p, %k, %n;
            @%p bra DONE;
            {
                .param .b32 result;
                .param .b32 x;
                st.param.b32 [x], %k;
                call (result), square, (x);
                ld.param.b32 %s, [result];
            }
            add.u32 %sum, %sum, %s;
            add.u32 %k, %k, 1;
            bra LOOP;
            DONE:
            st.param.b32 [value], %sum;
            ret;
        }
        """, """
        {
            .param .b32 result;
            .param .b32 count;
            st.param.b32 [count], %i;
            call (result), squares, (count);
            ld.param.b32 %r, [result];
        }
        """, i => Enumerable.Range(0, i).Sum(k => k * k));

    [Test]
    public void A_function_may_be_declared_before_its_definition() => Check("""
        .func (.param .b32 value) later(.param .b32 x);
        .func (.param .b32 value) earlier(.param .b32 x)
        {
            .reg .b32 %a;
            .param .b32 inner;
            .param .b32 result;
            ld.param.u32 %a, [x];
            add.u32 %a, %a, 1;
            st.param.b32 [inner], %a;
            call (result), later, (inner);
            ld.param.b32 %a, [result];
            st.param.b32 [value], %a;
            ret;
        }
        .func (.param .b32 value) later(.param .b32 x)
        {
            .reg .b32 %a;
            ld.param.u32 %a, [x];
            mul.lo.u32 %a, %a, 2;
            st.param.b32 [value], %a;
            ret;
        }
        """, """
        {
            .param .b32 result;
            .param .b32 x;
            st.param.b32 [x], %i;
            call (result), earlier, (x);
            ld.param.b32 %r, [result];
        }
        """, i => 2 * (i + 1));

    [Test]
    public void A_function_without_results_writes_through_its_pointer() => Check("""
        .func store(.param .b64 where, .param .b32 what)
        {
            .reg .b64 %a;
            .reg .b32 %v;
            ld.param.u64 %a, [where];
            ld.param.u32 %v, [what];
            add.u32 %v, %v, 40;
            st.global.u32 [%a], %v;
            ret;
        }
        """, """
        {
            .param .b64 where;
            .param .b32 what;
            st.param.b64 [where], %out;
            st.param.b32 [what], %i;
            call store, (where, what);
        }
        ld.global.u32 %r, [%out];
        """, i => 40 + i);

    private static void Check(string functions, string body, Func<int, int> expected)
    {
        using KernelRun run = new($$"""
            {{functions}}
            .visible .entry caller(.param .u64 results)
            {
                .reg .pred %p;
                .reg .b32 %i, %r, %a;
                .reg .b64 %out, %offset, %w;
                mov.u32 %i, %tid.x;
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %i, 4;
                add.u64 %out, %out, %offset;
                {{body}}
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong results = run.Buffer(new int[32]);

        run.Launch(1, 32, results);

        Assert.That(run.Read<int>(results, 32), Is.EqualTo(Enumerable.Range(0, 32).Select(expected)));
    }
}
