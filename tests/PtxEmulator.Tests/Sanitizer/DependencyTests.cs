using System.Globalization;

namespace PtxEmulator.Tests;

/// <summary><c>griddepcontrol</c>: in a dependent launch, the launch before may still run until a thread has
/// waited.</summary>
internal sealed class DependencyTests
{
    private const string Wait = "griddepcontrol.launch_dependents; griddepcontrol.wait;";

    private static readonly string[] s_accesses =
    [
        "ld.global.u32 %r, [%a];",
        "ld.global.nc.u32 %r, [%a];",
        "ld.global.v4.u32 {%r, %s, %t, %u}, [%a];",
        "ld.u32 %r, [%a];",
        "st.global.u32 [%a], %i;",
        "st.u32 [%a], %i;",
        "atom.global.add.u32 %r, [%a], 1;",
        "red.global.add.u32 [%a], 1;",
        "cp.async.ca.shared.global [%mine], [%a], 16; cp.async.wait_all;",
        "@%p st.global.u32 [%a], %i;",
    ];

    private static readonly string[] s_ownAccesses =
    [
        "st.shared.u32 [%mine], %i; ld.shared.u32 %r, [%mine];",
        "ld.param.u64 %b, [buffer];",
        "ld.const.u32 %r, [table];",
        "mov.u64 %b, own; st.local.u32 [%b], %i; ld.local.u32 %r, [%b];",
        "mov.u32 %s, 0; cp.async.ca.shared.global [%mine], [%a], 16, %s; cp.async.wait_all;",
    ];

    [TestCaseSource(nameof(s_accesses))]
    public void A_dependent_launch_waits_before_it_accesses_global_memory(string access)
    {
        PtxFaultException fault = Assert.Throws<PtxFaultException>(() => Run(access, isDependent: true))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(fault.Kind, Is.EqualTo(PtxFaultKind.DependencyNotWaited), fault.Message);
            Assert.That(access, Does.Contain(fault.Instruction));
            Assert.That(fault.Message, Does.Contain("griddepcontrol.wait").And.Contain("results"));
            Assert.That(() => Run($"{access} {Wait}", isDependent: true), Throws.TypeOf<PtxFaultException>());
            Assert.That(() => Run($"{Wait} {access}", isDependent: true), Throws.Nothing);
            Assert.That(() => Run(access, isDependent: false), Throws.Nothing);
            Assert.That(() => Run($"{access} {Wait}", isDependent: false), Throws.Nothing);
        }
    }

    [TestCaseSource(nameof(s_ownAccesses))]
    public void Memory_that_no_launch_before_writes_may_be_used_at_once(string access)
        => Assert.That(() => Run($"{access} {Wait}", isDependent: true), Throws.Nothing);

    /// <summary>A launch after it waits for this one, which would not have waited for the one before.</summary>
    [TestCase("")]
    [TestCase("griddepcontrol.launch_dependents;")]
    [TestCase("bra END; griddepcontrol.wait; END:")]
    public void A_dependent_launch_in_which_no_thread_waits_is_a_fault(string code)
    {
        PtxFaultException fault = Assert.Throws<PtxFaultException>(() => Run(code, isDependent: true, blockCount: 3))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(fault.Kind, Is.EqualTo(PtxFaultKind.DependencyNotWaited), fault.Message);
            Assert.That(fault.Message, Does.Contain("no thread").And.Contain("kernel: test"));
            Assert.That(() => Run(code, isDependent: false), Throws.Nothing);
            Assert.That(() => Run($"{code} @%p griddepcontrol.wait;", isDependent: true), Throws.Nothing);
        }
    }

    [Test]
    public void Permitting_others_to_begin_is_not_waiting()
        => Assert.That(() => Run("griddepcontrol.launch_dependents; ld.global.u32 %r, [%a];", isDependent: true),
            Throws.TypeOf<PtxFaultException>().With.Property(nameof(PtxFaultException.Kind))
                .EqualTo(PtxFaultKind.DependencyNotWaited));

    /// <summary>Thread 37 is in the second warp, and %p is true there only.</summary>
    [Test]
    public void Each_thread_waits_for_itself()
    {
        const string Code = "@!%p griddepcontrol.wait; ld.global.u32 %r, [%a];";
        PtxFaultException fault = Assert.Throws<PtxFaultException>(() => Run(Code, isDependent: true))!;
        Assert.That((fault.Kind, fault.Thread!.Value.X), Is.EqualTo((PtxFaultKind.DependencyNotWaited, 37)));
        Assert.That(() => Run("@!%p griddepcontrol.wait; @!%p ld.global.u32 %r, [%a];", isDependent: true),
            Throws.Nothing);
    }

    [Test]
    public void A_wait_does_not_last_until_the_next_block()
    {
        const string Code = "mov.u32 %s, %ctaid.x; setp.eq.u32 %q, %s, 0; @%q griddepcontrol.wait; " +
            "ld.global.u32 %r, [%a];";
        Assert.That(() => Run(Code, isDependent: true), Throws.Nothing);
        Assert.That(() => Run(Code, isDependent: true, blockCount: 2), Throws.TypeOf<PtxFaultException>()
            .With.Property(nameof(PtxFaultException.Block)).EqualTo(new Dim3(1, 0, 0)));
    }

    [TestCase("7.7", "sm_90", ".version 7.8")]
    [TestCase("7.8", "sm_89", ".target sm_90")]
    [TestCase("8.0", "sm_80", ".target sm_90")]
    public void A_module_for_others_cannot_have_it(string version, string target, string expected)
        => Assert.That(() => Parse(version, target, "wait"), Throws.TypeOf<PtxParseException>()
            .With.Message.Contains(expected).And.Message.Contains("griddepcontrol"));

    [TestCase("7.8", "sm_90")]
    [TestCase("8.0", "sm_90a")]
    [TestCase("8.7", "sm_100")]
    public void A_module_for_sm_90_and_later_has_it(string version, string target)
        => Assert.That(() => Parse(version, target, "wait"), Throws.Nothing);

    [Test]
    public void Other_forms_are_unknown()
        => Assert.That(() => Parse("7.8", "sm_90", "wait.all"), Throws.TypeOf<PtxParseException>());

    private static void Parse(string version, string target, string form) => PtxModule.Parse(
        $".version {version}\n.target {target}\n.address_size 64\n" +
        $".visible .entry k() {{ griddepcontrol.{form}; ret; }}");

    /// <summary>Runs code in 64 threads of each block: %a is the address of the thread's 16 bytes in the buffer, %mine
    /// that in shared memory.</summary>
    private static void Run(string code, bool isDependent, int blockCount = 1)
    {
        // One worker runs all blocks.
        using KernelRun run = new(string.Create(CultureInfo.InvariantCulture, $$"""
            .const .u32 table = 5;
            .visible .entry test(.param .u64 buffer)
            {
                .shared .align 16 .b8 slots[1024];
                .local .align 4 .b8 own[4];
                .reg .pred %p, %q;
                .reg .b32 %i, %r, %s, %t, %u, %mine;
                .reg .b64 %a, %b;
                mov.u32 %i, %tid.x;
                setp.eq.u32 %p, %i, 37;
                mov.u32 %mine, slots;
                mad.lo.u32 %mine, %i, 16, %mine;
                ld.param.u64 %a, [buffer];
                mad.wide.u32 %a, %i, 16, %a;
                {{code}}
                ret;
            }
            """), new EmulatorOptions { Workers = 1 });
        ulong buffer = run.Buffer(new int[256], "results");
        run.LaunchDependent(blockCount, 64, isDependent, buffer);
    }
}
